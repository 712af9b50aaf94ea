"""Look after the keys: what is sealed and by which, seal what is not, change the master key; all of it resumable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gridwright.domain.access import LOCAL_OWNER, Access, Act
from gridwright.domain.errors import NotFound, StoreCorrupt, StoreFull, StoreLocked, StoreOutdated
from gridwright.jobs.upkeep.vault import Vault
from gridwright.store import Store, open_store
from gridwright.store.backup.rewriting import rewrite_database
from gridwright.store.engine import is_memory, resolve
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


def require_nothing_sealed(address: str, key_file: str) -> None:
    """Raise StoreCorrupt where a database holds what a key has sealed: a new key would open nothing of it."""
    if is_memory(resolve(address)):
        return
    try:
        store = open_store(address, create=False)
    except (NotFound, StoreOutdated):  # there is none yet; an older one is brought up to date before anything is sealed
        return
    with store:
        sealed = store.sealed.behind(LOCAL_OWNER, "")
    if sealed:
        raise StoreCorrupt(
            f"the key file is gone that {sealed} data keys and passwords in the database were sealed with",
            where=key_file,
            remedy="bring it back from its copy: no new key is made, since it would open nothing of them",
        )


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
    while store.sealed.seal_answers(access):
        pass
    return done


def leave_no_traces(store: Store, access: Access, address: str) -> None:
    """Let no byte of the database hold what was plain before it was sealed; the store is closed then.

    StoreLocked where others have a SQLite file open, or a server's tables for longer than a moment; StoreFull without
    room for a copy. What is sealed stays so, and it may be called again.
    """
    access.require(Act.ADMINISTER)
    store.close()
    try:
        rewrite_database(address)
    except (StoreLocked, StoreFull) as error:
        first = "make room for a copy of it there" if isinstance(error, StoreFull) else "stop whatever else uses it"
        raise type(error)(
            f"all is sealed, but freed bytes of the database may hold plain text from before: {error.message}",
            where=error.where,
            remedy=f"{first}, and call gridwright vault seal again",
        ) from error


def rotate_master(store: Store, access: Access, vault: Vault, *, drop_old: bool = False) -> tuple[str, int]:
    """Wrap everything with a new master key, and return its id and how many keys and secrets that were.

    A rotation that was interrupted is finished with the key that it made. Earlier keys stay in the file, because
    backups need them, until `drop_old`. StoreCorrupt, before a key is made, where one is missing that is needed;
    StoreLocked where another process changes the keys of this file.
    """
    with vault.changing():
        keys = vault.key_ids() if vault.exists else []
        store.sealed.require_opens(access)
        begun = len(keys) > 1 and store.sealed.behind(access, keys[0]) > 0
        current = keys[0] if begun else vault.add_key()
        wrapped = store.sealed.rewrap(access, current)
        if drop_old:
            store.sealed.forget_others(access, current, vault.drop_old_keys)
    return current, wrapped
