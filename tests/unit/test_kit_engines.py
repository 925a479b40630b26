"""The engines of a kit: made at first use, and once."""

import threading

import pytest

from tenantkit.kit import root
from tests.integration.office import Place, make_kit

PATIENCE = 0.2  # seconds in which a thread that nothing holds up would have made an engine of its own


@pytest.mark.parametrize(
    ("name", "maker"), [("engine", "scope_engine"), ("owner_engine", "create_engine")], ids=["app", "owner"]
)
def test_two_threads_at_first_use_get_one_engine(tmp_path, monkeypatch, name, maker):
    """Who comes while it is made waits for it: a second one would be lost with its connections open."""
    url = f"sqlite:///{tmp_path / 'kit.db'}"
    kit = make_kit(Place("sqlite", url, url))
    make, made, got = getattr(root, maker), [], []
    second = threading.Thread(target=lambda: got.append(getattr(kit, name)))

    def making(*arguments, **options):
        made.append(threading.current_thread())
        if len(made) == 1:
            second.start()
            second.join(timeout=PATIENCE)
        return make(*arguments, **options)

    monkeypatch.setattr(root, maker, making)
    first = getattr(kit, name)
    second.join()
    assert (1, True) == (len(made), got[0] is first is getattr(kit, name))
    kit.dispose()
