"""The same as keeper.ts, in Python: it does with its storage what it is asked over HTTP."""

from qntx import HostError, Plugin

plugin = Plugin("keeper", version="1.2.3", capabilities=["cap:storage.kv"])


def shown(found):
    """A record in the words of TypeScript."""
    words = {"expires_at": "expiresAt", "host_version": "hostVersion"}
    return {words.get(name, name): value for name, value in vars(found).items()}


async def get(host, key):
    found = await host.storage.get(key)
    return found and {**shown(found), "bytes": list(found.bytes)}


async def put(host, key, value=None, bytes=None, version=None, ttlMs=None):
    ttl = None if ttlMs is None else ttlMs / 1000
    return shown(await host.storage.set(key, value if bytes is None else bytearray(bytes), version, ttl))


async def delete(host, key):
    return await host.storage.delete(key)


async def keys(host, **page):
    found = await host.storage.list(**page)
    return {"keys": [shown(each) for each in found.keys], "cursor": found.cursor}


async def context(host):
    return shown(await host.context())


WAYS = {"get": get, "set": put, "delete": delete, "list": keys, "context": context}


@plugin.http("POST", "/ask")
async def ask(request, host):
    asked = request.json()
    try:
        return {"said": await WAYS[asked.pop("way")](host, **asked)}
    except HostError as error:
        return {"refused": {"code": error.code, "message": error.args[0], "fieldErrors": error.field_errors,
                            "limit": error.limit}}


if __name__ == "__main__":
    plugin.run()
