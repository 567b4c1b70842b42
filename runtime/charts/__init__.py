"""Control charts: whether pooled sound of a machine is still normal, and how that is learned."""
