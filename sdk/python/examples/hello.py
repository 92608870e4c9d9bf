from qntx import Plugin
plugin = Plugin("hello", version="0.1.0")

@plugin.job("greet")
async def greet(job):
    who = (job.payload or {}).get("who", "world")
    job.log("greeting", who=who)
    job.progress(1, 1)
    return {"greeting": f"Hello, {who}!"}

if __name__ == "__main__":
    plugin.run()
