"""
The reference application: real flights of sixteen carriers, each carrier a tenant.

Read in this order: ``models`` (what the rows are), ``service`` (the kit and the endpoints), ``data`` (where the
flights come from), ``story`` (what a client sees), ``server`` (how it is served).
"""
