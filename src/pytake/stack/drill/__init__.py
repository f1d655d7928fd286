"""The drill: provoke every alert by a real fault, see it fire, arrive at people, and resolve.

A drill runs in an environment of its own (``drill``: own ports, own data), so that it never disturbs the running one.
"""
