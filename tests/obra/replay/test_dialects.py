"""The APIs of other agents: the same script becomes each one's tool calls, from the request alone."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import httpx
import pytest

from obra.domain import ScriptStep
from obra.replay.acting import NO_SCRIPT, NOTHING_TO_SAY, SIDE_ANSWER, ScriptMismatch
from obra.replay.chat_completions import ChatCompletions
from obra.replay.dialects import server_for, settings_for
from obra.replay.generate_content import GenerateContent
from obra.replay.responses_api import OpenAIResponses

STEP = ScriptStep(
    say="All there.",
    write={"a.py": "1\n2\n", "deep/raw.txt": "no end", "b c.txt": "x\n"},
    edit={"e.py": ("1", "one"), "twice.py": ("x", "y")},
    delete=("old dir",),
    run=("echo hello > said.txt", "cd deep; ls"),
)
FILES = {"e.py": "0\n1\n2\n", "twice.py": "x\nx\n", "old dir/f": "", "b c.txt": "before\n"}


class Player:
    """Plays a program: keeps the conversation as its API does, and does what it is asked in a real folder."""

    def __init__(self, root: Path, *script: ScriptStep) -> None:
        self.root, self.script, self.said = root, script, []
        self.talk: list[dict] = []

    def prompt(self, text: str) -> str:
        """Send a prompt, and do what is asked until the model has said its words."""
        self.hear(text)
        while True:
            answers = [self.dialect.answer(self.script, self.request(), str(self.root), self.read) for _ in "ab"]
            assert answers[0] == answers[1], "the same request has the same answer"
            words = self.take(answers[0])
            if words is not None:
                return words

    @staticmethod
    def read(path: str) -> str | None:
        """Read as the server does."""
        return Path(path).read_text() if Path(path).is_file() else None

    def shell(self, line: str) -> str:
        """Run a line; apply_patch is what Codex has inside."""
        if line.startswith("apply_patch"):
            apply_patch(line)
            return "done"
        subprocess.run(line, shell=True, cwd=self.root, check=True, capture_output=True)
        return "done"


def apply_patch(line: str) -> None:
    """Apply a patch as Codex understands it, as far as the dialect uses that."""
    lines = line.splitlines()
    assert lines[0].split("<<")[1].strip("'") == lines[-1]
    assert (lines[1], lines[-2]) == ("*** Begin Patch", "*** End Patch")
    kind, _, name = lines[2].removeprefix("*** ").partition(": ")
    path = Path(name)
    if kind == "Add File":
        assert all(one.startswith("+") for one in lines[3:-2])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{one[1:]}\n" for one in lines[3:-2]))
        return
    assert (kind, lines[3]) == ("Update File", "@@")
    assert "".join(f"{one[1:]}\n" for one in lines[4:-2] if one[0] in " -") == path.read_text()
    path.write_text("".join(f"{one[1:]}\n" for one in lines[4:-2] if one[0] in " +"))


class Codex(Player):
    """Codex, with a model it does not know."""

    dialect = OpenAIResponses()

    def hear(self, text: str) -> None:
        """Codex adds words of its own before the first prompt."""
        if not self.talk:
            self.talk.append({"role": "developer", "content": [{"type": "input_text", "text": "You are"}]})
            for own in ("<environment_context>\n</environment_context>", "# AGENTS.md instructions\nBe good."):
                self.talk.append({"role": "user", "content": [{"type": "input_text", "text": own}]})
        self.talk.append({"role": "user", "content": [{"type": "input_text", "text": text}]})

    def request(self) -> dict:
        """The body."""
        return {"input": self.talk, "tools": [{"type": "function", "name": "exec_command"}]}

    def take(self, item: dict) -> str | None:
        """Keep the item, and run its call."""
        self.talk.append(item)
        if item["type"] == "message":
            return item["content"][0]["text"]
        given = json.loads(item["arguments"])
        self.said.append(item["name"])
        output = {"type": "function_call_output", "call_id": item["call_id"], "output": self.shell(given["cmd"])}
        self.talk.append(output)
        return None


class OpenCode(Player):
    """opencode, which changes no file that it has not read."""

    dialect = ChatCompletions()

    def hear(self, text: str) -> None:
        """Add a prompt."""
        self.talk.append({"role": "user", "content": [{"type": "text", "text": text}]})

    def request(self) -> dict:
        """The body."""
        return {"messages": [{"role": "system", "content": "You are"}, *self.talk], "tools": [{}]}

    def take(self, message: dict) -> str | None:
        """Keep the message, and run its call."""
        self.talk.append(message)
        if message["content"] is not None:
            return message["content"]
        (call,) = message["tool_calls"]
        tool, given = call["function"]["name"], json.loads(call["function"]["arguments"])
        self.said.append(tool)
        self.do(tool, given)
        self.talk.append({"role": "tool", "tool_call_id": call["id"], "content": "done"})
        return None

    def do(self, tool: str, given: dict) -> None:
        """Do what the tool does."""
        if tool == "bash":
            self.shell(given["command"])
            return
        path = Path(given["filePath"])
        if tool == "read":
            self.seen = path
            assert path.is_file()
            return
        assert not path.exists() or self.seen == path
        if tool == "write":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(given["content"])
        else:
            change(path, given["oldString"], given["newString"])


class Gemini(Player):
    """Gemini CLI."""

    dialect = GenerateContent()

    def hear(self, text: str) -> None:
        """Gemini CLI tells its surroundings before the first prompt."""
        own = [] if self.talk else [{"text": "<session_context>\nToday is\n</session_context>"}]
        self.talk.append({"role": "user", "parts": [*own, {"text": text}]})

    def request(self) -> dict:
        """The body."""
        return {"contents": self.talk, "tools": [{}], "generationConfig": {}}

    def take(self, part: dict) -> str | None:
        """Keep the part, and run its call."""
        self.talk.append({"role": "model", "parts": [part]})
        if "text" in part:
            return part["text"]
        call = part["functionCall"]
        self.said.append(call["name"])
        given = call["args"]
        if call["name"] == "run_shell_command":
            self.shell(given["command"])
        elif call["name"] == "write_file":
            path = Path(given["file_path"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(given["content"])
        else:
            change(Path(given["file_path"]), given["old_string"], given["new_string"])
        answer = {"functionResponse": {"id": call["id"], "name": call["name"], "response": {"output": "done"}}}
        self.talk.append({"role": "user", "parts": [answer]})
        return None


def change(path: Path, old: str, new: str) -> None:
    """Edit as these programs do: the old text must stand there once."""
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


@pytest.fixture(params=[Codex, OpenCode, Gemini], ids=lambda kind: kind.__name__)
def player(request, tmp_path):
    """Return a function that makes a player of a script, in a folder with FILES."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return lambda *script: request.param(tmp_path, *script)


def test_the_work_is_done_in_order_and_then_the_words_come(player, tmp_path):
    """Files are written, edited where they match first, deleted; commands run; the words are last."""
    assert player(STEP).prompt("go") == "All there."
    found = {path.relative_to(tmp_path).as_posix(): path.read_text() for path in tmp_path.rglob("*.*")}
    assert found == {
        "a.py": "1\n2\n",
        "deep/raw.txt": "no end",
        "b c.txt": "x\n",
        "e.py": "0\none\n2\n",
        "twice.py": "y\nx\n",
        "said.txt": "hello\n",
    }
    assert not (tmp_path / "old dir").exists()


def test_each_prompt_is_a_step(player, tmp_path):
    """A second prompt of the same conversation goes on with the next step; a third one is told as too much."""
    one = player(ScriptStep(say="One.", write={"n": "1\n"}), ScriptStep(run=("cp n m",)))
    assert [one.prompt("first"), one.prompt("second")] == ["One.", NOTHING_TO_SAY]
    assert (tmp_path / "m").read_text() == "1\n"
    with pytest.raises(ScriptMismatch, match=r"has 2 step\(s\), prompt 3 was sent"):
        one.prompt("third")


def test_a_script_without_steps_and_a_text_that_is_not_there(player):
    """No script changes nothing; an edit that cannot be made says which and why."""
    assert player().prompt("go") == NO_SCRIPT
    with pytest.raises(ScriptMismatch, match=r"step 1 of the script edits .*e\.py.*correct the script"):
        player(ScriptStep(edit={"e.py": ("nonsense", "")})).prompt("go")
    with pytest.raises(ScriptMismatch, match="there is no such file"):
        player(ScriptStep(edit={"none": ("nonsense", "")})).prompt("go")


def test_a_request_without_tools_is_beside_the_conversation(player):
    """A title or a summary is no prompt."""
    one = player(STEP)
    one.hear("name this")
    request = {**one.request(), "tools": []}
    assert SIDE_ANSWER in json.dumps(one.dialect.answer(one.script, request, "/", one.read))


@pytest.mark.parametrize(
    ("text", "as_patch"),
    [("a\nb\n", True), ("\n", True), ("OBRA_END_OF_PATCH\n", True), ("a", False), ("", False), ("a\r\n", False)],
)
def test_codex_files_are_exact(tmp_path, text, as_patch):
    """What a patch cannot carry is printed by the shell; both leave exactly the text."""
    one = Codex(tmp_path, ScriptStep(write={"it's.txt": text}))
    one.prompt("go")
    assert (tmp_path / "it's.txt").read_bytes() == text.encode()
    call = next(item for item in one.talk if item.get("type") == "function_call")
    assert json.loads(call["arguments"])["cmd"].startswith("apply_patch") is as_patch


def test_codex_waits_for_a_command_that_still_runs(tmp_path):
    """A long command is asked about again, however often it takes, before the script goes on."""
    one = Codex(tmp_path, ScriptStep(say="Done.", run=("sleep 99",)))
    one.shell = lambda _: "Chunk ID: 1\nProcess running with session ID 4711\nOutput:\n"
    one.hear("go")
    one.take(one.dialect.answer(one.script, one.request(), "/", one.read))
    for _ in range(2):
        asked = one.dialect.answer(one.script, one.request(), "/", one.read)
        assert (asked["name"], json.loads(asked["arguments"])["session_id"]) == ("write_stdin", 4711)
        one.talk += [asked, {**one.talk[-1], "type": "function_call_output", "call_id": asked["call_id"]}]
    one.talk[-1] = {**one.talk[-1], "output": "Process exited with code 0\nOutput:\nrunning with session ID 1\n"}
    answer = one.dialect.answer(one.script, one.request(), "/", one.read)
    assert answer["content"][0]["text"] == "Done."


def test_gemini_questions_get_json():
    """A question that wants JSON gets a small value that fits its schema."""
    schema = {
        "type": "OBJECT",
        "properties": {
            "reasoning": {"type": "STRING"},
            "model_choice": {"type": "STRING", "enum": ["flash", "pro"]},
            "score": {"type": "INTEGER"},
            "sure": {"type": "BOOLEAN"},
            "more": {"type": "ARRAY"},
        },
        "required": ["reasoning", "model_choice", "score", "sure", "more"],
    }
    request = {"contents": [], "tools": [{}], "generationConfig": {"responseJsonSchema": schema}}
    answer = GenerateContent().answer((STEP,), request, "/", lambda _: None)
    assert json.loads(answer["text"]) == {
        "reasoning": "",
        "model_choice": "flash",
        "score": 0,
        "sure": False,
        "more": [],
    }


REQUESTS = {
    "codex": ("/responses", Codex),
    "opencode": ("/chat/completions", OpenCode),
    "gemini": ("/v1beta/models/m:streamGenerateContent?alt=sse", Gemini),
}


@pytest.mark.parametrize("kind", REQUESTS)
def test_over_http(kind, tmp_path):
    """Each is served where its program looks: streamed, as a whole, with an error that is not tried again."""
    path, player = REQUESTS[kind]
    script = [ScriptStep(say="Hello.")]
    one = player(tmp_path, *script)
    with server_for(kind, script, workspace=tmp_path) as server:
        url = settings_for(kind, server)["base_url"]
        with httpx.Client(base_url=url, trust_env=False) as client:
            for number in (1, 2):
                one.hear("go")
                streamed = client.post(path, json={**one.request(), "stream": True})
                whole = client.post(path.replace("streamG", "g").partition("?")[0], json=one.request())
                if number == 1:
                    assert (streamed.status_code, whole.status_code) == (200, 200)
                    assert streamed.headers["content-type"] == "text/event-stream"
                    events = [
                        line.removeprefix("data: ") for line in streamed.text.split("\n") if line[:5] == "data:"
                    ]
                    assert "Hello." in re.sub(r'"\}.*?"text": "', "", "".join(events)), events
                    assert all(json.loads(event) for event in events if event != "[DONE]")
                    assert "Hello." in json.dumps(whole.json())
                else:
                    assert (streamed.status_code, whole.status_code) == (400, 400)
                    assert "prompt 2 was sent" in whole.json()["error"]["message"]
            assert client.get("/nonsense").status_code == 404
            assert client.post("/nonsense", json={}).status_code == 404
            assert client.post(path, content=b"garbage").status_code == 400
            assert client.get("/models").status_code == 200
    assert "prompt 2 was sent" in server.error
