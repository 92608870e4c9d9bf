"""A handler from a file: `qntx handler create --file vacancies.py` makes it `python.vacancies`."""


def handler(job):
    rooms = job.payload or {"101": "free", "102": "taken", "103": "free"}
    free = sorted(room for room, state in rooms.items() if state == "free")
    job.progress(len(rooms), len(rooms))
    print(f"{len(free)} of {len(rooms)} rooms are free")
    return {"free": free}
