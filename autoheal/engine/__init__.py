"""The decision engine: one pure function over the world. Pure: no files, sockets, clock, chance."""
