"""What goes over the wire: closed JSON shapes, camelCase, made from the domain's nouns; one module a resource."""
