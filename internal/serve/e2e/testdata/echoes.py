"""A plugin that speaks over WebSockets, with the Python SDK."""

from qntx import HostError, Plugin

plugin = Plugin("echoes", version="1.0.0", capabilities=["cap:http.fetch"])


@plugin.websocket
async def speak(socket, host):
    await socket.send(f"hello {socket.query.get('who')} {socket.headers.get('authorization')}")
    async for message in socket:
        text = message.decode()
        if text == "end":
            return
        if text == "fail":
            raise RuntimeError("the reason")
        if text == "flood":
            for _ in range(400):
                await socket.send(bytes(65_536))
        if text.startswith("fetch "):
            try:
                page = await host.http.fetch(text.removeprefix("fetch "))
                await socket.send(page.body)
            except HostError as error:
                await socket.send(str(error))
        else:
            await socket.send(message)
    host.log(f"gone {socket.query.get('who')}")


if __name__ == "__main__":
    plugin.run()
