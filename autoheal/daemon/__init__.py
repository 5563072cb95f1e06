"""The daemon: the kernel that owns the world, and the supervised tasks around it. ``app`` opens and closes it all."""
