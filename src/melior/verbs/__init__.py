"""The verbs: what a person does with this package, one file each. The command line is a thin skin over them."""
