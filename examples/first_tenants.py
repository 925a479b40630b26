"""Sign up two tenants, write a note in each one's name, and print a token of a member of each."""

from first_steps import Note, kit

kit.create_tables()

with kit.unscoped_session(reason="sign up the first tenants", actor="setup") as unscoped:
    tenants = [kit.directory.create_tenant(unscoped, slug) for slug in ("acme", "bolt")]
    for tenant in tenants:
        kit.directory.add_member(unscoped, tenant, "ann", ["member"])
    unscoped.commit()

for tenant in tenants:
    with kit.scope(tenant):
        session = kit.session()
        note = Note(text=f"A note of {tenant.slug}.")  # no tenant is passed
        session.add(note)
        session.commit()
        print(f"{tenant.slug.upper()}={kit.tokens.issue('ann', tenant)} # may read note {note.id}")

kit.dispose()
