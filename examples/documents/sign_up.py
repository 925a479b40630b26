"""Create the tables and two organizations, and print a token for each of their members."""

from service import kit

PEOPLE = {"acme": {"ann": "owner", "art": "editor", "vic": "viewer"}, "bolt": {"bob": "owner"}}

kit.create_tables()
with kit.unscoped_session(reason="sign up", actor="sign_up.py") as session:
    tenants = {slug: kit.directory.create_tenant(session, slug, plan="free") for slug in PEOPLE}
    for slug, people in PEOPLE.items():
        for user, role in people.items():
            kit.directory.add_member(session, tenants[slug], user, [role])
    session.commit()
for slug, people in PEOPLE.items():
    for user in people:
        print(f"{user.upper()}={kit.tokens.issue(user, tenants[slug])}")
