"""The same no-op as bench.ts, in Python."""

from qntx import Plugin

plugin = Plugin("bench-python", version="1.0.0")


@plugin.job("noop")
async def noop(job):
    return None


if __name__ == "__main__":
    plugin.run()
