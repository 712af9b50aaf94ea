"""The routes of `/v1`, a module a noun: each handler asks one job or one query of the store."""
