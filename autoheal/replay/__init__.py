"""The engine on a virtual clock: policy tests and simulations. Reads policies, touches nothing."""
