"""A filter that says of all that leaves where it is from, and lets nobody else say so."""

import wit_world.exports as exports
from strowger import add_header, pass_with, refuse_message, remove_header, set_header, settings


class SipFilter(exports.SipFilter):
    def filter(self, message):
        config = settings(field="X-Site", value="main", unwanted="")
        if not message.inbound:
            return pass_with(set_header(config["field"], config["value"]), add_header("X-By", "python"))
        agents = [header.value for header in message.headers if header.name.lower() == "user-agent"]
        if config["unwanted"] in agents:
            return refuse_message(403, "Not Wanted")
        return pass_with(remove_header(config["field"]))
