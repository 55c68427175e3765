"""Simulators of the houses' authorization servers, one a port, on loopback: their consent pages, codes, tokens, rotation rules,
error bodies and who-am-I APIs. One core; one module for what each house does in its own way. Nothing in the product knows them.
"""
