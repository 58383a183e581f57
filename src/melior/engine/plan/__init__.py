"""What a training would take under each layout, before it begins: memory, bytes sent, time; and the layout to take."""
