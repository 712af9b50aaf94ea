"""`gridwright vault`: the keys that seal customers' data, devices' passwords and backups."""

from __future__ import annotations

from typing import Annotated

import typer

from gridwright.cli.context import platform
from gridwright.cli.options import Json
from gridwright.cli.output import GOES_ON, print_json, print_table, progress, say

app = typer.Typer(help="Encryption at rest: what is sealed, seal it, change the keys.", no_args_is_help=True)


@app.command(epilog="Example: gridwright vault status --json")
def status(as_json: Json = False) -> None:
    """Show the keys and what they seal; nothing is changed."""
    from gridwright.app.live import vault
    from gridwright.jobs.upkeep.look_after_keys import key_state

    wired = platform()
    state = key_state(wired.store, wired.access, vault(wired))
    sealed = state.sealed
    if as_json:
        print_json(
            {
                "place": state.place,
                "master_keys": list(state.keys),
                "behind": state.behind,
                "data_keys": [{"id": key, "master": master} for key, master in sealed.keys],
                "sealed": sealed.newest + sealed.older,
                "under_older_key": sealed.older,
                "plain": sealed.plain,
                "traces": sealed.traces,
            }
        )
        return
    rows = [
        ("master keys", f"{', '.join(state.keys) or 'none yet'} ({state.place})"),
        ("under an earlier master key", str(state.behind)),
        ("data keys", ", ".join(key for key, _ in sealed.keys) or "none: customer data is not sealed"),
        ("usage points sealed", f"{sealed.newest + sealed.older} ({sealed.older} under an older data key)"),
        ("usage points in plain text", str(sealed.plain)),
    ]
    if sealed.keys and sealed.traces is not None:
        rows.append(("plain text in freed bytes", "may be: gridwright vault seal" if sealed.traces else "none"))
    print_table(("what", "found"), rows)
    if not sealed.keys:
        say("Seal customer data with: gridwright vault seal")


@app.command(epilog="Example: gridwright vault seal")
def seal(
    fresh: Annotated[bool, typer.Option("--fresh", help="Make a new data key, and seal everything with it.")] = False,
    as_json: Json = False,
) -> None:
    """Seal customer data, keep sealing it from now on, and leave no plain text; safe to interrupt, and to run again.

    Whatever else has a SQLite database open must be stopped: its file is written anew.
    """
    from gridwright.jobs.upkeep.look_after_keys import leave_no_traces, seal_store
    from gridwright.store.backup.rewriting import size_of

    wired = platform()
    with progress("sealing", quiet=as_json, stopped=GOES_ON) as advance:
        done = seal_store(wired.store, wired.access, fresh=fresh, progress=advance)
    if not as_json:
        say(f"Sealed {done} usage points. Without the key file nobody opens them: keep a copy of it in another place.")
    traces = wired.store.sealed.state(wired.access).traces
    rewritten = bool(done) or fresh or traces is not False
    if rewritten:
        url = wired.settings.store.url
        if not as_json and (size := size_of(url)):
            say(f"Writing the database anew ({size / 1e6:.1f} MB), without what stood there in plain text before.")
        leave_no_traces(wired.store, wired.access, url)
    if as_json:
        print_json({"sealed": done, "rewritten": rewritten})


@app.command(epilog="Example: gridwright vault rotate")
def rotate(
    drop_old: Annotated[
        bool,
        typer.Option(
            "--drop-old",
            help="Forget the earlier keys; older backups, and what is sealed in unencrypted ones, then open no more.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Change the master key; an interrupted change is finished, and nothing has to be encrypted again."""
    from gridwright.app.live import vault
    from gridwright.edge.run import seals_of
    from gridwright.jobs.upkeep.look_after_keys import rotate_master

    wired = platform()
    keys = vault(wired)
    if drop_old:
        edge = wired.settings.edge
        keys.require_unshared()
        keys.require_own(seals_of(edge).vault, f"the edge in {edge.folder}")
    key, wrapped = rotate_master(wired.store, wired.access, keys, drop_old=drop_old)
    if as_json:
        print_json({"key": key, "wrapped": wrapped})
        return
    say(f"Master key {key} wraps {wrapped} data keys and secrets. Back up the key file now.")
