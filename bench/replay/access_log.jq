# access_log.jq - the access log of hedgerow as a trace for `hedgerow replay`, of one model:
#
#     jq -rn --arg model gpt-5.5 -f bench/replay/access_log.jq access.log > trace.csv
#
# A row for each attempt. An attempt that was cut off because another one won counts as if its first token had come at
# that moment: that is the least it can have been, so that what hedging is worth comes out too low rather than too
# high. Requests with an attempt that failed, or that nobody answered, are left out: they say nothing of latency.
# What the backend that was not asked would have taken is drawn by `hedgerow replay`. Hours with `hedge: {mode: "off"}`, or
# with a high `hedge.sample`, make the best traces.

def milliseconds:
    (sub("\\.[0-9]+Z$"; "Z") | fromdate) * 1000 + (capture("\\.(?<ms>[0-9]+)Z$").ms | tonumber);

"time_ms,request,backend,input_tokens,ttft_ms,output_tokens",
(
    foreach inputs as $line (0; . + 1; [., $line])
    | . as [$number, $request]
    | $request
    | select(.model == $model and .winner != null)
    | select(all(.attempts[]; .outcome == "won" or .outcome == "lost"))
    | (.time | milliseconds) as $time
    # The first attempt at each backend, in the order in which they were started: the first is the primary.
    | [.attempts | to_entries | unique_by(.value.provider) | sort_by(.key) | .[].value]
    | .[]
    | [$time, $number, .provider, $request.input_tokens,
       (.first_token_ms // .end_ms) - .start_ms, $request.output_tokens]
    | map(. // "" | tostring)
    | join(",")
)
