"""A ScheduledPlugin for tests, the same as sloth.ts: its name says which of its calls takes too long."""

import asyncio
import os
import time

from qntx import Schedule, ScheduledPlugin


class Sloth(ScheduledPlugin):
    name = os.environ["QNTX_PLUGIN_NAME"]
    version = "1.0.0"
    max_attempts = 1

    async def schedules(self):
        if self.name == "slow-describe":
            await asyncio.sleep(600)
        return [Schedule("usual", "1s"), Schedule("short", "1s", timeout=0.3)]

    async def run(self, job):
        await asyncio.sleep(600)  # It is cancelled like any other await.

    def cleanup(self):
        if self.name == "slow-cleanup":
            time.sleep(600)


if __name__ == "__main__":
    Sloth().serve()
