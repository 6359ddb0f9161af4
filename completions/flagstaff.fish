# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_flagstaff_global_optspecs
    string join \n C= e/environment= o/output= q/quiet v/verbose color= as= h/help V/version
end

function __fish_flagstaff_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_flagstaff_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_flagstaff_using_subcommand
    set -l cmd (__fish_flagstaff_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c flagstaff -n "__fish_flagstaff_needs_command" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_needs_command" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_needs_command" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_needs_command" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_needs_command" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_needs_command" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -s V -l version -d 'Print version'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -f -a "init" -d 'Make a commented starter project; never overwrites a file'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -f -a "create" -d 'Make the documents of a new flag and its release, checked with all others before anything is written'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -f -a "validate" -d 'Check all documents and report everything that is wrong with them'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -f -a "schema" -d 'Print the JSON Schema of documents, for editors, or of an answer'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -f -a "plan" -d 'Show what apply would do, what drifted at backends, and what both mean for rollouts; of one release, everything resolved, and where each value was written'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -f -a "apply" -d 'Make backends as the documents say: create flags, off, for nobody; nothing is released unless --start says so'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -f -a "doctor" -d 'Look whether everything that releases need is there and lets us, and say what to do where not'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -f -a "start" -d 'Start rollouts: pin the plan and expose the first stage'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -f -a "run" -d 'Drive rollouts in the foreground; releases that are named and not started yet are started'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -f -a "serve" -d 'Drive every rollout, also those that are started later, until told to end'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -f -a "status" -d 'Show where every rollout is'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -f -a "watch" -d 'Show one rollout live'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -f -a "wait" -d 'Wait until a rollout reaches a state'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -f -a "explain" -d 'Explain why a rollout is where it is and what happens next'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -f -a "approve" -d 'Agree to leave the stage a rollout is at'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -f -a "pause" -d 'Pause rollouts: nothing grows, exposure stays as it is'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -f -a "resume" -d 'Resume a paused rollout'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -f -a "abort" -d 'Switch a feature off for everybody'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -f -a "force" -d 'Move a rollout to a stage without waiting'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -f -a "rollback" -d 'Go back to a smaller stage, and pause'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -f -a "mute" -d 'Silence a rule of one rollout for a while'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -f -a "freeze" -d 'Keep rules from growing anything; bare, list what is frozen'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -f -a "signal" -d 'Send a signal of the project\'s from a script: it acts as if an alert had come'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -f -a "stale" -d 'Tell of every flag whether it can go, and what stands against that'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -f -a "mcp" -d 'Serve coding assistants over the Model Context Protocol, on stdin and stdout'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -f -a "audit" -d 'Show, verify and compute again what was decided'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -f -a "demo" -d 'Show three real rollouts against a small shop with faults, in 90 seconds'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -f -a "completions" -d 'Print the completion script of a shell'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -f -a "help" -d 'Explain a command, a topic or a finding\'s code'
complete -c flagstaff -n "__fish_flagstaff_needs_command" -f -a "generate" -d 'Write man pages, completion scripts and JSON Schemas'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand init" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand init" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand init" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand init" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand init" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand init" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand init" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand create" -l release -d 'Name the release so; otherwise by the key' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand create" -l type -d 'What kind of flag it is: release, experiment, operational, kill-switch, permission, sunset' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand create" -l description -d 'What it is for' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand create" -l owner -d 'Who answers for it' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand create" -l lifetime -d 'How long it should live: 40d' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand create" -l template -d 'Take this release template instead of the project\'s' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand create" -l policy -d 'Take this threshold policy instead of the project\'s' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand create" -l to -d 'Release there, in this order, instead of where all releases go' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand create" -l label -d 'Label the release' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand create" -l file -d 'Add the documents to this file, below what stands in it; otherwise a file of their own below flagstaff/' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand create" -l snippet -d 'Print code that asks for the flag' -r -f -a "typescript\t'TypeScript on a server'
javascript\t'JavaScript on a server'
react\t'React'
python\t'Python'
java\t'Java'
kotlin\t'Kotlin'
go\t'Go'
csharp\t'C#'
rust\t'Rust'
ruby\t'Ruby'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand create" -l sdk -d 'The SDK of that code' -r -f -a "openfeature\t'OpenFeature, with the provider of any backend'
unleash\t'Unleash'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand create" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand create" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand create" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand create" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand create" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand create" -l anyway -d 'Make it although a flag is declared whose key differs in case and separators only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand create" -l dry-run -d 'Show what would be written, and write nothing'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand create" -s y -l yes -d 'Do not ask'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand create" -l at-backend -d 'Make the flag at the backends too, off, for nobody'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand create" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand create" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand validate" -l traffic -d 'Requests that everybody makes, exposed or not: 300/m, 5/s; goes before `expect` of the policies' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand validate" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand validate" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand validate" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand validate" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand validate" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand validate" -l arithmetic -d 'Compute what each safeguard will cost: false alarms a day, time to find a break, the traffic that it needs'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand validate" -l live -d 'Ask every query once at the sources of the documents: there, one number, fresh, its unit, its window, its bounds'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand validate" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand validate" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand validate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand schema" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand schema" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand schema" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand schema" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand schema" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand schema" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand schema" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand plan" -l save -d 'Keep the plan in a file: `apply FILE` does it only if nothing has changed since' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand plan" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand plan" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand plan" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand plan" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand plan" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand plan" -l drift -d 'Show only what backends serve otherwise than the journal allows; documents may be broken'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand plan" -l start -d 'Plan to start releases that were never started, as `apply --start` would'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand plan" -l adopt -d 'Plan to take what others made, and to pin the documents\' plans, as `apply --adopt` would'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand plan" -l detailed-exitcode -d 'Exit with 2 if anything differs'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand plan" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand plan" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand plan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand apply" -l reason -d 'Record why' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand apply" -l confirm -d 'Confirm by a flag\'s key what --adopt and --start do in a protected environment; once for each' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand apply" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand apply" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand apply" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand apply" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand apply" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand apply" -l adopt -d 'Take flags that somebody else made, and pin the documents\' plans to rollouts that run by others'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand apply" -l start -d 'Start releases that were never started'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand apply" -s y -l yes -d 'Do not ask'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand apply" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand apply" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand apply" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand doctor" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand doctor" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand doctor" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand doctor" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand doctor" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand doctor" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand doctor" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand start" -l at -d 'With --again, begin at this stage instead of the first one' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand start" -l reason -d 'Record why' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand start" -l confirm -d 'Confirm by the flag\'s key instead of being asked' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand start" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand start" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand start" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand start" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand start" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand start" -l again -d 'Start anew after an end'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand start" -l take-over -d 'Take over a flag that another journal drives, or whose stop cannot be confirmed any more'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand start" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand start" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand start" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand run" -l reason -d 'Record why' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand run" -l confirm -d 'Confirm by the flag\'s key instead of being asked' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand run" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand run" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand run" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand run" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand run" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand run" -l once -d 'Evaluate what is due, then end; for cron and CI'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand run" -l stay -d 'Go on while anybody is exposed, also when a person is needed: safeguards stay armed'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand run" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand run" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand serve" -l listen -d 'Listen here; port 0 takes a free one and says which' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand serve" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand serve" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand serve" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand serve" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand serve" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand serve" -l apply -d 'Apply the documents as `apply --yes` does, now and whenever they have changed: missing flags are made, off'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand serve" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand serve" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand status" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand status" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand status" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand status" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand status" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand status" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand status" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand watch" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand watch" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand watch" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand watch" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand watch" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand watch" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand watch" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand watch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand wait" -l until -d 'The state to wait for: running, paused, stopped, complete, or a stage' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand wait" -l timeout -d 'Give up after this long' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand wait" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand wait" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand wait" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand wait" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand wait" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand wait" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand wait" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand wait" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand explain" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand explain" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand explain" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand explain" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand explain" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand explain" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand explain" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand approve" -l reason -d 'Record why' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand approve" -l confirm -d 'Confirm by the flag\'s key instead of being asked' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand approve" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand approve" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand approve" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand approve" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand approve" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand approve" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand approve" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand approve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand pause" -l reason -d 'Record why' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand pause" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand pause" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand pause" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand pause" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand pause" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand pause" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand pause" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand pause" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand resume" -l cause -d 'The cause: the name of a rule or signal, no_data, drift, person or not_applied' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand resume" -l reason -d 'Record why' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand resume" -l confirm -d 'Confirm by the flag\'s key instead of being asked' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand resume" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand resume" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand resume" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand resume" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand resume" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand resume" -l all -d 'Resume every rollout that is paused for the cause'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand resume" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand resume" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand resume" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand abort" -l reason -d 'Record why' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand abort" -l timeout -d 'Keep trying at most this long where the backend does not answer' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand abort" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand abort" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand abort" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand abort" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand abort" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand abort" -l all -d 'Abort every rollout in progress'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand abort" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand abort" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand abort" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand force" -l to -d 'The stage; the next one unless named' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand force" -l reason -d 'Record why' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand force" -l confirm -d 'Confirm by the flag\'s key instead of being asked' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand force" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand force" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand force" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand force" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand force" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand force" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand force" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand force" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand rollback" -l to -d 'The stage; the one before unless named' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand rollback" -l reason -d 'Record why' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand rollback" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand rollback" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand rollback" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand rollback" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand rollback" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand rollback" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand rollback" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand rollback" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand mute" -l for -d 'For how long' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand mute" -l reason -d 'Record why' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand mute" -l confirm -d 'Confirm by the flag\'s key instead of being asked' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand mute" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand mute" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand mute" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand mute" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand mute" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand mute" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand mute" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand mute" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand freeze" -l for -d 'For how long' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand freeze" -l reason -d 'Record why' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand freeze" -l confirm -d 'Confirm by the flag\'s key instead of being asked' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand freeze" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand freeze" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand freeze" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand freeze" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand freeze" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand freeze" -l lift -d 'End it'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand freeze" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand freeze" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand freeze" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand signal" -l release -d 'A release, or a flag\'s key' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand signal" -l detail -d 'Record this with it' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand signal" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand signal" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand signal" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand signal" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand signal" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand signal" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand signal" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand signal" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand stale" -l after -d 'Call a flag ready once it has been over everywhere for this long' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand stale" -l report -d 'Write a report instead of a table' -r -f -a "markdown\t'A table for a comment or a page'
sarif\t'SARIF 2.1.0'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand stale" -l fail-on -d 'End with 1 where a flag is ready, or also where one is blocked' -r -f -a "ready\t'Flags that can go'
blocked\t'Those, and flags that should be gone and cannot'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand stale" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand stale" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand stale" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand stale" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand stale" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand stale" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand stale" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand stale" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand mcp" -l env -d 'An environment in which it may; can be given several times' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand mcp" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand mcp" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand mcp" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand mcp" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand mcp" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand mcp" -l allow-write -d 'Let it pause and abort, in the environments that --env names'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand mcp" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand mcp" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand mcp" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and not __fish_seen_subcommand_from log verify replay" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and not __fish_seen_subcommand_from log verify replay" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and not __fish_seen_subcommand_from log verify replay" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and not __fish_seen_subcommand_from log verify replay" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and not __fish_seen_subcommand_from log verify replay" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and not __fish_seen_subcommand_from log verify replay" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and not __fish_seen_subcommand_from log verify replay" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and not __fish_seen_subcommand_from log verify replay" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and not __fish_seen_subcommand_from log verify replay" -f -a "log" -d 'Show who or which rule did what, when, on what evidence'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and not __fish_seen_subcommand_from log verify replay" -f -a "verify" -d 'Verify the chain of hashes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and not __fish_seen_subcommand_from log verify replay" -f -a "replay" -d 'Compute every decision again and compare byte by byte'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and __fish_seen_subcommand_from log" -l since -d 'Show the last part of the journal only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and __fish_seen_subcommand_from log" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and __fish_seen_subcommand_from log" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and __fish_seen_subcommand_from log" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and __fish_seen_subcommand_from log" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and __fish_seen_subcommand_from log" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and __fish_seen_subcommand_from log" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and __fish_seen_subcommand_from log" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and __fish_seen_subcommand_from log" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and __fish_seen_subcommand_from verify" -l anchor -d 'Verify against a head that was written down before: SEQUENCE:HASH' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and __fish_seen_subcommand_from verify" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and __fish_seen_subcommand_from verify" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and __fish_seen_subcommand_from verify" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and __fish_seen_subcommand_from verify" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and __fish_seen_subcommand_from verify" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and __fish_seen_subcommand_from verify" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and __fish_seen_subcommand_from verify" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and __fish_seen_subcommand_from replay" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and __fish_seen_subcommand_from replay" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and __fish_seen_subcommand_from replay" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and __fish_seen_subcommand_from replay" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and __fish_seen_subcommand_from replay" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and __fish_seen_subcommand_from replay" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and __fish_seen_subcommand_from replay" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand audit; and __fish_seen_subcommand_from replay" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand demo" -l keep -d 'Keep the project in this new directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand demo" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand demo" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand demo" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand demo" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand demo" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand demo" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand demo" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand completions" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand completions" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand completions" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand completions" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand completions" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand completions" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand completions" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand help" -s C -d 'Use the project in this directory' -r -F
complete -c flagstaff -n "__fish_flagstaff_using_subcommand help" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand help" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand help" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand help" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand help" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand help" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand generate" -s e -l environment -d 'Act on this environment only' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand generate" -s o -l output -d 'Write answers in this format' -r -f -a "human\t'Text for people'
json\t'One JSON document'
jsonl\t'One JSON document a line'
yaml\t'YAML'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand generate" -l color -d 'Use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c flagstaff -n "__fish_flagstaff_using_subcommand generate" -l as -d 'Act as this person; otherwise FLAGSTAFF_ACTOR, the CI\'s user or the OS user' -r
complete -c flagstaff -n "__fish_flagstaff_using_subcommand generate" -s q -l quiet -d 'Print answers and errors only'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand generate" -s v -l verbose -d 'Tell on stderr what is read, asked and written, and how long it takes'
complete -c flagstaff -n "__fish_flagstaff_using_subcommand generate" -s h -l help -d 'Print help (see more with \'--help\')'
