"""The modules of networks and how they are built, fed, fitted and scored. Imports torch; nothing imports it early."""
