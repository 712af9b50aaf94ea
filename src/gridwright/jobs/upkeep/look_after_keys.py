"""Look after the keys: what is sealed and by which, seal what is not, change the master key; all of it resumable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gridwright.domain.access import Access
from gridwright.jobs.upkeep.vault import Vault
from gridwright.store import Store
from gridwright.store.sealing.points import SealState

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class KeyState:
    """The master keys (the first seals), what is sealed, and how much an earlier master key still wraps."""

    place: str
    keys: tuple[str, ...]
    behind: int
    sealed: SealState


def key_state(store: Store, access: Access, vault: Vault) -> KeyState:
    """Tell which keys there are and what they seal; nothing is made or changed."""
    keys = tuple(vault.key_ids()) if vault.exists else ()
    behind = store.sealed.behind(access, keys[0] if keys else "")
    return KeyState(vault.place, keys, behind, store.sealed.state(access))


def seal_store(store: Store, access: Access, *, fresh: bool = False, progress: Progress | None = None) -> int:
    """Seal what names customers, and keep sealing it from now on; return how many rows were sealed.

    `fresh` makes a new data key first. Interrupted, it goes on where it stopped; done, it does nothing.
    """
    store.sealed.begin(access, fresh=fresh)
    state = store.sealed.state(access)
    left, done = state.plain + state.older, 0
    while some := store.sealed.seal_some(access):
        done += some
        if progress:
            progress(done, max(left, done))
    return done


def rotate_master(store: Store, access: Access, vault: Vault, *, drop_old: bool = False) -> tuple[str, int]:
    """Wrap everything with a new master key, and return its id and how many keys and secrets that were.

    A rotation that was interrupted is finished with the key that it made. Earlier keys stay in the file, because
    backups need them, until `drop_old`.
    """
    keys = vault.key_ids() if vault.exists else []
    begun = len(keys) > 1 and store.sealed.behind(access, keys[0]) > 0
    current = keys[0] if begun else vault.add_key()
    wrapped = store.sealed.rewrap(access, current)
    if drop_old:
        store.sealed.forget_others(access, current, vault.drop_old_keys)
    return current, wrapped
