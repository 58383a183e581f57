"""What counts of a chat, under templates as models bring them: every answer and its end, and no word of the user."""

import copy

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from melior.errors import UserError
from melior.networks.conversation import language
from melior.networks.turns import said

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# as Qwen3: what was thought is left out of every turn before the user's last, and stands in the last, be it empty
QWEN3 = r"""
{%- set ns = namespace(last=messages|length - 1, found=false) %}
{%- for m in messages[::-1] %}
    {%- if not ns.found and m.role == 'user' %}
        {%- set ns.found = true %}{%- set ns.last = messages|length - 1 - loop.index0 %}
    {%- endif %}
{%- endfor %}
{%- for m in messages %}
    {%- set content, thought = m.content, '' %}
    {%- if m.role == 'assistant' %}
        {%- if '</think>' in content %}
            {%- set thought = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last and (loop.last or thought) %}
            {%- set content = '<think>\n' + thought.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') %}
        {%- endif %}
    {%- endif %}
    {{- '<|im_start|>' + m.role + '\n' + content + '<|im_end|>' + '\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"""
LLAMA3 = (
    "{% for m in messages %}{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content | trim "
    "+ '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
GEMMA = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}{% set role = 'model' if m.role == 'assistant' else m.role"
    " %}{{ '<start_of_turn>' + role + '\n' + m.content | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
# as Mistral: nothing opens an answer, and what the system says stands in the user's last turn
MISTRAL = (
    "{% set ns = namespace(system='') %}{% for m in messages %}{% if m.role == 'system' %}{% set ns.system = m.content "
    "+ '\n\n' %}{% endif %}{% endfor %}{% for m in messages %}{% if m.role == 'user' %}{% set after = "
    "messages[loop.index0 + 1:] | selectattr('role', 'equalto', 'user') | list %}"
    "{{ '[INST] ' + (ns.system if not after else '') + m.content + '[/INST]' }}"
    "{% elif m.role == 'assistant' %}{{ ' ' + m.content | trim + '</s>' }}{% endif %}{% endfor %}"
)
# as the distilled DeepSeek-R1: what is asked opens a thought that the text of a finished chat does not have
THINKS = (
    "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content + '<|stop|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|><think>\n' }}{% endif %}"
)
ENDS = {
    CHATML: "<|im_end|>", QWEN3: "<|im_end|>", LLAMA3: "<|eot_id|>", GEMMA: "<end_of_turn>", MISTRAL: "</s>",
    THINKS: "<|stop|>",
}  # fmt: skip
EMPTY = "<think>\n\n</think>\n\n"


def chat(*contents, first="user"):
    other = {"user": "assistant", "assistant": "user"}
    return [
        {"role": first if number % 2 == 0 else other[first], "content": content}
        for number, content in enumerate(contents)
    ]


def answers(words, template, messages):
    """What counts, by character; and the same by token."""
    own = copy.deepcopy(words)
    own.chat_template = template
    whole, spans = said(own, messages, "rows, row 1")
    made = language(own, [messages], 10_000)
    own_text = own.decode(np.asarray(made.tokens.row(0))[made.counts])
    found = [whole[start:end] for start, end in spans]
    assert own_text == "".join(found)
    return found


@pytest.mark.parametrize("template", ENDS, ids=["chatml", "qwen3", "llama3", "gemma", "mistral", "thinks"])
def test_answers_and_their_ends_count_and_no_word_of_the_user(words, template):
    end = ENDS[template]
    last = EMPTY if template == QWEN3 else ""
    lead = " " if template == MISTRAL else ""
    # each answer also stands in a question after it
    rows = chat("Is it A or B?", "B", "Sure, B?", "Yes", "Yes, B?", "B")
    assert [one.removeprefix(lead) for one in answers(words, template, rows)] == [
        f"B{end}", f"Yes{end}", f"{last}B{end}"
    ]  # fmt: skip
    # an answer that is empty is its end alone, and blanks around one change nothing
    found = answers(words, template, chat("Is it A or B?", "", "Sure?", " Yes \n"))
    assert found[0].strip(" ") == end
    assert found[1].replace(last, "").split() == (
        ["Yes", end] if template in (CHATML, QWEN3, THINKS) else [f"Yes{end}"]
    )


@pytest.mark.parametrize("template", [CHATML, QWEN3, LLAMA3, THINKS], ids=["chatml", "qwen3", "llama3", "thinks"])
def test_where_the_assistant_begins_its_header_does_not_count(words, template):
    end = ENDS[template]
    rows = chat("hi", "A or B?", "B", first="assistant")
    assert answers(words, template, rows) == [f"hi{end}", f"{EMPTY if template == QWEN3 else ''}B{end}"]


def test_what_the_system_says_may_stand_anywhere(words):
    rows = [{"role": "system", "content": "Say B"}, *chat("A or B?", "B", "B?", "B")]
    for template in (CHATML, QWEN3, LLAMA3, MISTRAL, THINKS):
        last = EMPTY if template == QWEN3 else ""
        found = [one.strip() for one in answers(words, template, rows)]
        assert found == [f"B{ENDS[template]}", f"{last}B{ENDS[template]}"]


def test_what_was_thought_counts_where_the_template_keeps_it(words):
    rows = chat("A or B?", "<think>\nA, B\n</think>\n\nB", "B?", "<think>\nB?\n</think>\n\nB")
    assert answers(words, QWEN3, rows) == ["B<|im_end|>", "<think>\nB?\n</think>\n\nB<|im_end|>"]


def test_a_tool_call_counts_as_the_template_writes_it(words):
    calls = CHATML.replace("m.content", "(m.content + ('<call>f()</call>' if m.tool_calls else ''))")
    rows = chat("A or B?", "", "B?", "B")
    rows[1]["tool_calls"] = [{"type": "function"}]
    assert answers(words, calls, rows) == ["<call>f()</call><|im_end|>", "B<|im_end|>"]


@pytest.mark.parametrize(
    "template",
    [
        # leaves out an answer, which stands in a question
        "{% for m in messages %}{% if m.role == 'user' or loop.last %}{{ m.content + '\n' }}{% endif %}{% endfor %}",
        # writes an answer twice
        "{% for m in messages %}{{ m.content ~ '|' }}{{ '' if loop.last else m.content }}{{ '\n' }}{% endfor %}",
        # ends it otherwise where something follows
        "{% for m in messages %}{{ loop.length ~ m.content + ('<a>' if loop.last else '<b>') }}{% endfor %}",
    ],
)
def test_what_cannot_be_found_is_refused(words, template):
    with pytest.raises(UserError, match="row 1, message 2: where the answer begins") as caught:
        answers(words, template, chat("A or B?", "B", "B, sure?", "Yes"))
    assert "\n" not in str(caught.value)
