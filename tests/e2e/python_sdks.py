"""python_sdks.py - the official Python SDKs through the proxy, one of each vendor, over clouds of every format; boto3
against the simulated Bedrock itself, which proves the simulator; and the bodies that the proxy sends against the
vendors' published types: botocore's service model, the TypedDicts of openai and anthropic, google-genai's models.

Prints a line for each result, as all tests here do. Run by test_python.sh."""

import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import typing
import urllib.request

import anthropic
import boto3
import botocore.config
import botocore.exceptions
import botocore.loaders
import botocore.model
import botocore.validate
import openai
import pydantic
from google import genai
from google.genai import types as genai_types

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
HEDGEROW = os.environ.get("HEDGEROW", os.path.join(ROOT, "build/hedgerow"))
BENCH = os.environ.get("HEDGEROW_BENCH", os.path.join(ROOT, "build/hedgerow-bench"))
PATIENCE_S = 10
PNG = ("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
AWS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "secret/of+the=cloud", "session_token": "token//session=="}
TEXT = 'h\u00e9llo "quoted" \\ back \U0001f30a'

failed = 0


def verdict(name, held, why=""):
    global failed
    if held:
        print(f"ok {name}")
    else:
        failed += 1
        print(f"not ok {name}: {' '.join(str(why).split())[:600]}")


def test(function):
    try:
        function()
        verdict(function.__name__, True)
    except Exception as error:  # whatever it is, it is this test's failure, and the others still run
        verdict(function.__name__, False, f"{type(error).__name__}: {error}")


def same(got, wanted):
    if got != wanted:
        raise AssertionError(f"wanted {wanted!r}, got {got!r}")


# ---- clouds and proxy ----

work = tempfile.TemporaryDirectory(prefix="hedgerow-python-")
children = []


def start(name, arguments, is_up):
    out, err = (os.path.join(work.name, f"{name}.{end}") for end in ("out", "err"))
    with open(out, "w") as o, open(err, "w") as e:
        child = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=o, stderr=e)
    children.append(child)
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and child.poll() is None:
        if is_up(open(err).read()):
            return open(out).read(), open(err).read()
        time.sleep(0.02)
    raise SystemExit(f"not ok start_{name}: {' '.join(open(err).read().split())}")


def stop():
    for child in reversed(children):
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                child.kill()


QUICK = {"ttft": {"dist": "constant", "value": "5ms"}, "tokens": {"count": 6, "interval": "1ms"}}


def start_clouds():
    clouds = [
        {"name": "openai", "api_key": "k-openai"},
        {"name": "anthropic", "kind": "anthropic", "api_key": "k-anthropic"},
        {"name": "bedrock", "kind": "bedrock", "credentials": {**AWS, "region": "us-east-1", "service": "bedrock"}},
        {"name": "gemini", "kind": "gemini", "api_key": "k-gemini"},
    ]
    path = os.path.join(work.name, "clouds.yaml")
    with open(path, "w") as file:
        json.dump({"seed": 7, "tls_dir": os.path.join(work.name, "ca"),
                   "clouds": [{"listen": "127.0.0.1:0", **QUICK, **cloud} for cloud in clouds]}, file)
    out, _ = start("clouds", [BENCH, "clouds", "--config", path], lambda err: "ready" in err.split())
    return {cloud["name"]: cloud for cloud in map(json.loads, out.split("\n")[:-1])}


def start_proxy(clouds):
    base = lambda name, prefix="": f"http://127.0.0.1:{clouds[name]['port']}{prefix}"
    providers = {
        "openai": {"kind": "openai", "base_url": base("openai", "/v1"), "api_key": "k-openai"},
        "anthropic": {"kind": "anthropic", "base_url": base("anthropic"), "api_key": "k-anthropic"},
        "bedrock": {"kind": "bedrock", "base_url": base("bedrock"), "region": "us-east-1", **AWS},
        "gemini": {"kind": "gemini", "base_url": base("gemini", "/v1beta"), "api_key": "k-gemini"},
    }
    names = {"openai": "gpt-5.5", "anthropic": "claude-sonnet-4-5", "bedrock": "us.anthropic.claude-sonnet-4-5-v1:0",
             "gemini": "gemini-2.5-flash"}
    models = {f"via-{name}": {"backends": [{"provider": name, "model": model}], "hedge": {"mode": "off"}}
              for name, model in names.items()}
    path = os.path.join(work.name, "hedgerow.yaml")
    with open(path, "w") as file:
        json.dump({"version": 1, "listeners": [{"address": "127.0.0.1:0"}], "telemetry": {"access_log": {"path": "none"}},
                   "providers": providers, "models": models}, file)
    _, err = start("hedgerow", [HEDGEROW, "serve", "--config", path], lambda text: "ready: " in text)
    return next(word.strip(",") for word in err.split() if word.startswith("http://"))


clouds = start_clouds()
url = start_proxy(clouds)
upstreams = ["openai", "anthropic", "bedrock", "gemini"]

openai_client = openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0)
anthropic_client = anthropic.Anthropic(base_url=url, api_key="k", max_retries=0)
google_client = genai.Client(api_key="k", http_options=genai_types.HttpOptions(base_url=url))


def last_body(name):
    """The body of the last request that a cloud received."""
    with urllib.request.urlopen(f"{clouds[name]['control']}/sim/last", timeout=PATIENCE_S) as answer:
        body = json.load(answer)["body"]
    return json.loads(body) if isinstance(body, str) else body


# ---- the SDKs through the proxy ----

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}


def openai_chat(upstream):
    model = f"via-{upstream}"
    say = [{"role": "user", "content": f"echo: {TEXT}"}]
    whole = openai_client.chat.completions.create(model=model, messages=say)
    same(whole.choices[0].message.content, TEXT)
    with openai_client.chat.completions.stream(model=model, messages=say, stream_options={"include_usage": True}) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    same((final.choices[0].message.content, final.usage.completion_tokens > 0), (TEXT, True))
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA, "strict": True}}]
    asked = [{"role": "user", "content": "weather?"}]
    called = openai_client.chat.completions.create(model=model, messages=asked, tools=tools, tool_choice="required")
    message = called.choices[0].message
    same(message.tool_calls[0].function.name, "get_weather")
    asked.append(message.to_dict())
    asked += [{"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in message.tool_calls]
    asked.append({"role": "user", "content": "echo: warm"})
    same(openai_client.chat.completions.create(model=model, messages=asked, tools=tools).choices[0].message.content, "warm")


def openai_responses(upstream):
    model = f"via-{upstream}"
    same(openai_client.responses.create(model=model, input=f"echo: {TEXT}").output_text, TEXT)
    with openai_client.responses.stream(model=model, input=f"echo: {TEXT}") as stream:
        for _ in stream:
            pass
        same(stream.get_final_response().output_text, TEXT)


def anthropic_messages(upstream):
    model = f"via-{upstream}"
    ask = {"model": model, "max_tokens": 2000, "messages": [{"role": "user", "content": f"echo: {TEXT}"}]}
    same(anthropic_client.messages.create(**ask).content[-1].text, TEXT)
    with anthropic_client.messages.stream(**ask) as stream:
        same("".join(stream.text_stream), TEXT)
        same(stream.get_final_message().stop_reason, "end_turn")
    tools = [{"name": "get_weather", "input_schema": SCHEMA}]
    called = anthropic_client.messages.create(model=model, max_tokens=2000, tools=tools, tool_choice={"type": "any"},
                                              messages=[{"role": "user", "content": "weather?"}])
    same((called.stop_reason, [block.name for block in called.content if block.type == "tool_use"][0]), ("tool_use", "get_weather"))


def google_generate(upstream):
    model = f"via-{upstream}"
    same(google_client.models.generate_content(model=model, contents=f"echo: {TEXT}").text, TEXT)
    chunks = list(google_client.models.generate_content_stream(model=model, contents=f"echo: {TEXT}"))
    same("".join(chunk.text or "" for chunk in chunks), TEXT)
    same(chunks[-1].candidates[0].finish_reason, genai_types.FinishReason.STOP)


for client in (openai_chat, openai_responses, anthropic_messages, google_generate):
    for upstream in upstreams:
        def run(client=client, upstream=upstream):
            client(upstream)
        run.__name__ = f"python_{client.__name__}_over_{upstream}"
        test(run)


@test
def python_errors_are_the_packages_own():
    for act, kind in [
        (lambda: openai_client.chat.completions.create(model="none", messages=[{"role": "user", "content": "x"}]), openai.NotFoundError),
        (lambda: anthropic_client.messages.create(model="none", max_tokens=9, messages=[{"role": "user", "content": "x"}]), anthropic.NotFoundError),
        (lambda: google_client.models.generate_content(model="none", contents="x"), genai.errors.ClientError),
    ]:
        try:
            act()
        except kind as error:
            same((getattr(error, "status_code", None) or error.code) == 404, True)
        else:
            raise AssertionError(f"no {kind}")


# ---- boto3 against the simulated Bedrock: its signatures and frames are the vendor's own ----

@test
def boto3_against_the_simulated_bedrock():
    client = boto3.client("bedrock-runtime", region_name="us-east-1", endpoint_url=f"http://127.0.0.1:{clouds['bedrock']['port']}",
                          aws_access_key_id=AWS["access_key_id"], aws_secret_access_key=AWS["secret_access_key"],
                          aws_session_token=AWS["session_token"], config=botocore.config.Config(retries={"max_attempts": 0}))
    ask = {"modelId": "us.anthropic.claude-sonnet-4-5-v1:0", "messages": [{"role": "user", "content": [{"text": f"echo: {TEXT}"}]}]}
    same(client.converse(**ask)["output"]["message"]["content"][0]["text"], TEXT)
    events = list(client.converse_stream(**ask)["stream"])
    deltas = [event["contentBlockDelta"]["delta"].get("text", "") for event in events if "contentBlockDelta" in event]
    same(("".join(deltas), "metadata" in events[-1]), (TEXT, True))
    wrong = boto3.client("bedrock-runtime", region_name="us-east-1", endpoint_url=f"http://127.0.0.1:{clouds['bedrock']['port']}",
                         aws_access_key_id=AWS["access_key_id"], aws_secret_access_key="wrong", aws_session_token=AWS["session_token"],
                         config=botocore.config.Config(retries={"max_attempts": 0}))
    try:
        wrong.converse(**ask)
    except botocore.exceptions.ClientError as error:
        same(error.response["ResponseMetadata"]["HTTPStatusCode"], 403)
    else:
        raise AssertionError("a wrong secret was accepted")


# ---- what the proxy sends, against the vendors' types ----

def converse_problems(body):
    """What botocore's service model finds wrong in a Converse body. Blobs are base64 in JSON, bytes in the model."""
    model = botocore.model.ServiceModel(botocore.loaders.Loader().load_service_model("bedrock-runtime", "service-2"))
    shape = model.operation_model("ConverseStream").input_shape

    def to_python(value, shape, path):
        if shape.type_name == "structure" and not getattr(shape, "is_document_type", False):
            unknown = set(value) - set(shape.members)
            if unknown:
                raise AssertionError(f"{path}: the model has no {sorted(unknown)}")
            return {name: to_python(item, shape.members[name], f"{path}.{name}") for name, item in value.items()}
        if shape.type_name == "list":
            return [to_python(item, shape.member, f"{path}[]") for item in value]
        if shape.type_name == "map":
            return {name: to_python(item, shape.value, f"{path}.{name}") for name, item in value.items()}
        return base64.b64decode(value, validate=True) if shape.type_name == "blob" else value

    report = botocore.validate.ParamValidator().validate({"modelId": "m", **to_python(body, shape, "")}, shape)
    return report.generate_report() if report.has_errors() else ""


def typed_dict_problems(value, hint, path="body", also=()):
    """Unknown members of the outermost object, and whatever pydantic finds wrong in the rest."""
    kinds = typing.get_args(hint) or (hint,)
    known = set(also).union(*(typing.get_type_hints(kind) for kind in kinds))
    unknown = set(value) - known
    if unknown:
        return f"{path}: the type has no {sorted(unknown)}"
    try:
        pydantic.TypeAdapter(hint).validate_python(value)
    except pydantic.ValidationError as error:
        return str(error)
    return ""


def gemini_problems(body):
    known = {"contents": list[genai_types.Content], "systemInstruction": genai_types.Content, "tools": list[genai_types.Tool],
             "toolConfig": genai_types.ToolConfig, "generationConfig": genai_types.GenerationConfig,
             "safetySettings": list[genai_types.SafetySetting], "labels": dict[str, str], "cachedContent": str}
    for name, value in body.items():
        if name not in known:
            return f"generateContent has no {name}"
        try:
            pydantic.TypeAdapter(known[name]).validate_python(value)
        except pydantic.ValidationError as error:
            return f"{name}: {error}"
    return ""


from anthropic.types.message_create_params import MessageCreateParams
from openai.types.chat.completion_create_params import CompletionCreateParams

CHECKS = {
    "openai": lambda body: typed_dict_problems(body, CompletionCreateParams),
    # Sampling is no longer among the types, for the newest models refuse it; those asked here take it.
    "anthropic": lambda body: typed_dict_problems(body, MessageCreateParams, also=("temperature", "top_p", "top_k")),
    "bedrock": converse_problems,
    "gemini": gemini_problems,
}


def everything_openai(model):
    """One request with every feature that all of them can express; and its like in the other dialects."""
    tool = {"type": "function", "function": {"name": "get_weather", "description": "d", "parameters": SCHEMA}}
    openai_client.chat.completions.create(
        model=model, max_completion_tokens=3000, temperature=0.3, stop=["END"], tools=[tool], tool_choice="auto",
        messages=[
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "look"},
                                         {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}]},
            {"role": "assistant", "content": "calling", "tool_calls": [
                {"id": "call:1/x", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Rome"}'}},
                {"id": "call_2", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Oslo"}'}}]},
            {"role": "tool", "tool_call_id": "call:1/x", "content": "hot"},
            {"role": "tool", "tool_call_id": "call_2", "content": "cold"},
            {"role": "user", "content": "echo: fine"}])


def everything_anthropic(model):
    tools = [{"name": "get_weather", "description": "d", "input_schema": SCHEMA}]
    anthropic_client.messages.create(
        model=model, max_tokens=3000, system=[{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}],
        stop_sequences=["END"], tools=tools, tool_choice={"type": "auto"}, metadata={"user_id": "u-1"},
        messages=[
            {"role": "user", "content": [{"type": "text", "text": "look"},
                                         {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}]},
            {"role": "assistant", "content": [{"type": "text", "text": "calling"},
                                              {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Rome"}},
                                              {"type": "tool_use", "id": "toolu_2", "name": "get_weather", "input": {"city": "Oslo"}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "hot"},
                                         {"type": "tool_result", "tool_use_id": "toolu_2", "content": "no such city", "is_error": True},
                                         {"type": "text", "text": "echo: fine"}]}])


def everything_google(model):
    part = genai_types.Part
    google_client.models.generate_content(
        model=model,
        contents=[
            genai_types.Content(role="user", parts=[part(text="look"), part.from_bytes(data=base64.b64decode(PNG), mime_type="image/png")]),
            genai_types.Content(role="model", parts=[part(function_call=genai_types.FunctionCall(name="get_weather", args={"city": "Rome"}))]),
            genai_types.Content(role="user", parts=[part(function_response=genai_types.FunctionResponse(name="get_weather", response={"output": "hot"}))]),
            genai_types.Content(role="user", parts=[part(text="echo: fine")])],
        config=genai_types.GenerateContentConfig(
            system_instruction="be brief", max_output_tokens=3000, temperature=0.3, stop_sequences=["END"],
            tools=[genai_types.Tool(function_declarations=[genai_types.FunctionDeclaration(
                name="get_weather", description="d", parameters_json_schema=SCHEMA)])]))


def everything_responses(model):
    openai_client.responses.create(
        model=model, instructions="be brief", max_output_tokens=3000, reasoning={"effort": "low"},
        tools=[{"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": False}],
        input=[
            {"role": "user", "content": [{"type": "input_text", "text": "look"},
                                         {"type": "input_image", "detail": "auto", "image_url": f"data:image/png;base64,{PNG}"}]},
            {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": '{"city":"Rome"}'},
            {"type": "function_call_output", "call_id": "c1", "output": "hot"},
            {"role": "user", "content": "echo: fine"}])


for everything in (everything_openai, everything_anthropic, everything_google, everything_responses):
    for upstream in upstreams:
        def run(everything=everything, upstream=upstream):
            try:
                everything(f"via-{upstream}")
            except Exception as error:
                # A client dialect that the upstream speaks itself goes through with edits only; others must be accepted too.
                raise AssertionError(f"refused: {error}") from None
            if everything is everything_responses and upstream == "openai":
                return  # its own service, whose types are the SDK's
            problems = CHECKS[upstream](last_body(upstream))
            if problems:
                raise AssertionError(problems)
        run.__name__ = f"python_{everything.__name__}_to_{upstream}_is_what_its_vendor_types_say"
        test(run)

stop()
work.cleanup()
sys.exit(1 if failed else 0)
