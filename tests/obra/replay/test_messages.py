"""What the scripted model says to a conversation, without any HTTP."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.domain import ScriptStep
from obra.replay.acting import NO_SCRIPT, NOTHING_TO_SAY, SIDE_ANSWER, ScriptMismatch
from obra.replay.messages import answer, event_stream, message_of, position

REMINDER = {"type": "text", "text": "<system-reminder>\nsign your commits\n</system-reminder>\n"}


class Talk:
    """Plays the CLI: sends prompts, runs the tool calls on a dictionary of files, until the model is done."""

    def __init__(self, *script: ScriptStep, files: dict[str, str] | None = None) -> None:
        self.script = script
        self.files = dict(files or {})
        self.messages: list[dict] = []

    def prompt(self, text: str, *, more: tuple[dict, ...] = ()) -> list[dict]:
        """Send *text* and return what the model said to it, block by block."""
        content = [*more, {"type": "text", "text": text}] if more else text
        self.messages.append({"role": "user", "content": content})
        said = []
        while not said or said[-1]["type"] == "tool_use":
            said.append(self.ask())
            self.messages.append({"role": "assistant", "content": [said[-1]]})
            if said[-1]["type"] == "tool_use":
                self.messages.append(self.run(said[-1]))
        return said

    def ask(self) -> dict:
        """Ask the model for its next block."""
        request = {"messages": self.messages, "tools": [{"name": "Bash"}]}
        return dict(answer(self.script, request, "/ws", self.files.get))

    def run(self, call: dict) -> dict:
        """Do what a tool call asks for and return the CLI's message about it."""
        given_input = call["input"]
        if call["name"] == "Write":
            self.files[given_input["file_path"]] = given_input["content"]
        if call["name"] == "Edit":
            text = self.files[given_input["file_path"]]
            assert text.count(given_input["old_string"]) == 1, "the CLI refuses a text that is not unique"
            self.files[given_input["file_path"]] = text.replace(
                given_input["old_string"], given_input["new_string"]
            )
        result = {"type": "tool_result", "tool_use_id": call["id"], "content": "ok"}
        return {"role": "user", "content": [result, REMINDER]}


def calls(said: list[dict]) -> list[tuple]:
    """Name and main argument of each tool call."""
    return [(block["name"], *list(block["input"].values())[:1]) for block in said if block["type"] == "tool_use"]


def test_a_step_becomes_calls_in_order_and_then_its_words():
    """Write, edit, delete and run come one by one, and the text last."""
    step = ScriptStep(
        say="All there.", write={"a.py": "1"}, edit={"b.py": ("x", "y")}, delete=("c d",), run=("ls", "pwd")
    )
    said = Talk(step, files={"/ws/b.py": "x", "/ws/c d": ""}).prompt("go")
    assert calls(said) == [
        ("Write", "/ws/a.py"),
        ("Read", "/ws/b.py"),
        ("Edit", "/ws/b.py"),
        ("Bash", "rm -r -- '/ws/c d'"),
        ("Bash", "ls"),
        ("Bash", "pwd"),
    ]
    assert said[-1] == {"type": "text", "text": "All there."}


def test_an_existing_file_is_read_before_it_is_written():
    """The CLI refuses to overwrite what it has not read, so Read comes first, and only then."""
    said = Talk(ScriptStep(write={"old": "1", "new": "2"}), files={"/ws/old": "0"}).prompt("go")
    assert calls(said) == [("Read", "/ws/old"), ("Write", "/ws/old"), ("Write", "/ws/new")]


def test_the_second_prompt_gets_the_second_step():
    """Each prompt of a conversation gets the step of its number."""
    talk = Talk(ScriptStep(say="one", run=("a",)), ScriptStep(say="two", run=("b",)))
    assert talk.prompt("first", more=(REMINDER,))[-1]["text"] == "one"
    assert calls(talk.prompt("second")) == [("Bash", "b")]


def test_the_same_request_gets_the_same_answer():
    """A retry, or the second request without streaming, is answered as the first was."""
    talk = Talk(ScriptStep(write={"a": "1"}, run=("ls",)))
    talk.messages.append({"role": "user", "content": "go"})
    assert talk.ask() == talk.ask()
    talk.messages += [{"role": "assistant", "content": [talk.ask()]}, talk.run(talk.ask())]
    assert talk.ask() == talk.ask()
    assert talk.ask()["name"] == "Bash"


def test_a_prompt_beyond_the_script_names_both_numbers():
    """One prompt too many says how many steps there are and which prompt came."""
    talk = Talk(ScriptStep(say="one"))
    talk.prompt("first")
    with pytest.raises(ScriptMismatch, match=r"1 step\(s\), prompt 2 was sent"):
        talk.prompt("second")


def test_no_script_at_all_is_answered_harmlessly():
    """Without any step every prompt gets the same text and no tool is called."""
    talk = Talk()
    assert [talk.prompt("a"), talk.prompt("b")] == [[{"type": "text", "text": NO_SCRIPT}]] * 2


@pytest.mark.parametrize("say", ["", " \n"])
def test_an_empty_say_becomes_a_fixed_text(say: str):
    """The API knows no empty message, so a fixed text stands for it."""
    assert Talk(ScriptStep(say=say)).prompt("go")[-1]["text"] == NOTHING_TO_SAY


def test_a_request_without_tools_is_no_part_of_the_script():
    """Titles and summaries are asked for without tools; they use up no step."""
    request = {"messages": [{"role": "user", "content": "name this session"}]}
    assert answer((ScriptStep(say="one"),), request, "/ws", {}.get)["text"] == SIDE_ANSWER


@pytest.mark.parametrize(("files", "why"), [({"/ws/a": "other"}, "5 characters"), ({}, "no such file")])
def test_an_edit_whose_text_is_not_there_is_a_mismatch(files: dict, why: str):
    """The message names the file, the text and what was found instead."""
    talk = Talk(ScriptStep(edit={"a": ("needle", "x")}), files=files)
    with pytest.raises(ScriptMismatch, match=f"/ws/a.*'needle'.*{why}"):
        talk.prompt("go")


def test_an_edit_of_a_text_that_stands_twice_changes_the_first():
    """The CLI only takes a unique text; the step means the first place, as with the mock agent."""
    talk = Talk(ScriptStep(edit={"a": ("x", "y")}), files={"/ws/a": "x = x\n"})
    talk.prompt("go")
    assert talk.files == {"/ws/a": "y = x\n"}


@pytest.mark.parametrize("line", ["cd sub && ls", "true;cd sub", "pushd sub", "(cd sub)"])
def test_a_command_that_changes_folder_runs_in_a_subshell(line: str):
    """The CLI's shell keeps its folder between commands; the commands of a script do not."""
    assert calls(Talk(ScriptStep(run=(line,))).prompt("go")) == [("Bash", f"(\n{line}\n)")]


@pytest.mark.parametrize("line", ["cat abcd", "echo cdrom", "./cd-tool"])
def test_other_commands_are_sent_as_they_are(line: str):
    """What only looks like cd is left alone."""
    assert calls(Talk(ScriptStep(run=(line,))).prompt("go")) == [("Bash", line)]


def test_what_the_cli_adds_is_no_prompt():
    """Reminders, tool results, notifications, commands and roles that are not user's do not count."""
    added = [
        REMINDER,
        {"type": "tool_result", "tool_use_id": "x", "content": "hello"},
        {"type": "text", "text": "<task-notification>done</task-notification>"},
        {"type": "text", "text": "[Request interrupted by user for tool use]"},
        {"type": "text", "text": "<local-command-stdout>Compacted</local-command-stdout>"},
        {"type": "text", "text": ""},
        {"type": "image"},
        {"type": "text", "text": None},
        "no block",
    ]
    messages = [
        {"role": "user", "content": added},
        {"role": "system", "content": "# Environment"},
        {"role": "assistant", "content": "No response requested."},
        {"role": "user", "content": None},
    ]
    assert position(messages) == (0, -1)


def test_two_prompts_in_one_message_count_as_two():
    """After a crash before any answer, the resumed session sends both prompts in one message."""
    content = [REMINDER, {"type": "text", "text": "first"}, {"type": "text", "text": "second"}]
    assert position([{"role": "user", "content": content}]) == (2, -1)


def test_a_prompt_that_quotes_a_reminder_is_still_a_prompt():
    """Only a block that is nothing but a reminder is the CLI's own."""
    content = "Explain this: <system-reminder>x</system-reminder>"
    assert position([{"role": "user", "content": content}]) == (1, -1)


PATHS = st.text(
    st.characters(exclude_characters="\0/", exclude_categories=("Cs",)), min_size=1, max_size=12
).filter(lambda name: name not in (".", ".."))
STEPS = st.builds(
    ScriptStep,
    say=st.text(max_size=20),
    write=st.dictionaries(PATHS, st.text(max_size=20), max_size=3),
    delete=st.lists(PATHS, max_size=2).map(tuple),
    run=st.lists(st.text(min_size=1, max_size=20), max_size=2).map(tuple),
)


@given(st.lists(STEPS, min_size=1, max_size=4))
def test_any_script_is_played_to_its_end(script: list[ScriptStep]):
    """Every write of every step arrives, whatever its name and text, and each step ends with words."""
    talk = Talk(*script)
    for number, step in enumerate(script):
        said = talk.prompt(f"prompt {number}")
        assert said[-1]["text"].strip()
        assert {f"/ws/{path}": text for path, text in step.write.items()}.items() <= talk.files.items()
    ids = [
        block["id"]
        for message in talk.messages
        for block in message["content"]
        if isinstance(block, dict) and "id" in block
    ]
    assert len(ids) == len(set(ids))


@given(STEPS)
def test_streamed_and_whole_answers_say_the_same(step: ScriptStep):
    """Put together again, the events of a stream are the message that is sent without one."""
    talk = Talk(step)
    talk.messages.append({"role": "user", "content": "go"})
    message = message_of(talk.ask(), model="m", identity="msg_1", tokens=(3, 4))
    events = [
        json.loads(part.split("data: ", 1)[1]) for part in event_stream(message).decode().strip().split("\n\n")
    ]
    block = events[1]["content_block"]
    delta = events[2]["delta"]
    if block["type"] == "text":
        block["text"] += delta["text"]
    else:
        block["input"] = json.loads(delta["partial_json"])
    assert [block] == message["content"]
    assert events[4]["delta"]["stop_reason"] == message["stop_reason"]
    assert [event["type"] for event in events] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
