"""A living fleet on real data: model servers, traffic, faults and an unhealed twin of each model.

Nothing here tells the healing side anything: it talks to the gateway, the daemon's telemetry door and the registry as
any client, and the daemon runs as its own process with its own configuration.
"""
