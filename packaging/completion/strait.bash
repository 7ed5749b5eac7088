# SPDX-License-Identifier: Apache-2.0
# bash completion for strait(1) and its commands. A test compares commands and options with those of --help.

# Sockets that somebody listens on, which is what a benchmark wants, and directories on the way to others.
_strait_sockets()
{
	local word=$1

	compopt -o filenames
	mapfile -t COMPREPLY < <(
		awk '$4 == "00010000" && $8 ~ "^/" { print $8 }' /proc/net/unix 2>/dev/null |
			while read -r path; do compgen -W "$path" -- "$word"; done
		compgen -f -- "$word"
	)
}

_strait_audit()
{
	local options_audit="--profile= --only= --skip= --vm= --for= --suppressions= --format= --output= --quiet --list --from=
		--json --help"
	local word=$1 before=$2

	case $before in
	--profile | -p)
		mapfile -t COMPREPLY < <(compgen -W "general database low-latency density realtime" -- "$word")
		;;
	--format | -F)
		mapfile -t COMPREPLY < <(compgen -W "table json junit html" -- "$word")
		;;
	--only | --skip | -O | -S)
		mapfile -t COMPREPLY < <(compgen -W "$(strait audit --list 2>/dev/null | awk '{ print $1 }')" -- "$word")
		;;
	--vm | -m | --for | -d) ;;
	--suppressions | --output | --from | -x | -o | -f)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		;;
	*)
		mapfile -t COMPREPLY < <(compgen -W "$options_audit" -- "$word")
		[[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace
		;;
	esac
}

_strait_bench()
{
	local options_bench="--rw= --read-percent= --block-size= --segment-size= --depth= --queues= --queue-size=
		--ring= --mode= --no-event-idx --no-indirect --flush-every= --unmap --rate= --time= --warm-up=
		--offset= --size= --io-count= --verify --seed= --reconnect= --survive= --no-inflight --timeout= --force-writes --huge-pages
		--cpu= --pid= --json --progress --no-progress --quiet --help"
	local word=$1 before=$2

	case $before in
	--rw)
		mapfile -t COMPREPLY < <(compgen -W "read write randread randwrite rw randrw flush discard write-zeroes" \
			-- "$word")
		;;
	--mode)
		mapfile -t COMPREPLY < <(compgen -W "polled event" -- "$word")
		;;
	--ring)
		mapfile -t COMPREPLY < <(compgen -W "split packed" -- "$word")
		;;
	--pid)
		mapfile -t COMPREPLY < <(compgen -W "$(pgrep straitd)" -- "$word")
		;;
	*)
		if [[ $word == -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W "$options_bench" -- "$word")
			[[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace
		elif [[ $before != --*[a-z] || " $options_bench " != *[[:space:]]"$before="[[:space:]]* ]]; then
			_strait_sockets "$word"
		fi
		;;
	esac
}

# What all commands that talk to a straitd have: --socket, and options (of the command, in $3).
_strait_client()
{
	local word=$1 before=$2 options=$3

	if [[ $before == --socket || $before == -s ]]; then
		_strait_sockets "$word"
	elif [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
		[[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace
	fi
}

# The same, with the name of a disk as operand.
_strait_of_disk()
{
	local word=$1 before=$2 options=$3

	_strait_client "$word" "$before" "$options"
	if [[ $word != -* && ${#COMPREPLY[@]} -eq 0 && $before != -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(strait rpc disk.list 2>/dev/null |
			sed -n 's/^ *"name": "\(.*\)",\?$/\1/p')" -- "$word")
	fi
}

_strait_budget()
{
	local options_budget="--last= --ago= --op= --compare= --socket= --json --help"
	local word=$1 before=$2

	if [[ $before == --op || $before == -o ]]; then
		mapfile -t COMPREPLY < <(compgen -W "read write flush discard write-zeroes" -- "$word")
	else
		_strait_of_disk "$word" "$before" "$options_budget"
	fi
}

# What commands that look at a machine have: --from, and options (of the command, in $3).
_strait_of_host()
{
	local word=$1 before=$2 options=$3

	if [[ $before == --from || $before == -f || $before == --output || $before == -o ]]; then
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
	elif [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
		[[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace
	fi
}

_strait_advise()
{
	local options_advise="--workload= --needs= --failover --for= --from= --json --help"
	local word=$1 before=$2

	if [[ $before == --workload || $before == -w ]]; then
		mapfile -t COMPREPLY < <(compgen -W "general latency database throughput density" -- "$word")
	elif [[ $before == --needs || $before == -n ]]; then
		mapfile -t COMPREPLY < <(compgen -W "migration sharing snapshots limits" -- "$word")
	else
		_strait_of_host "$word" "$before" "$options_advise"
	fi
}

_strait_capture()
{
	local options_capture="--output= --for= --json --help"

	_strait_of_host "$1" "$2" "$options_capture"
}

_strait_slow()
{
	local options_slow="--count= --socket= --json --help"

	_strait_of_disk "$1" "$2" "$options_slow"
}

_strait_profile()
{
	local options_profile="--last= --socket= --json --help"

	_strait_of_disk "$1" "$2" "$options_profile"
}

_strait_stats()
{
	local options_stats="--last= --reset --socket= --json --help"

	_strait_of_disk "$1" "$2" "$options_stats"
}

_strait_group()
{
	local options_group="--parent= --weight= --iops= --iops-burst= --iops-burst-seconds= --bps= --bps-burst=
		--bps-burst-seconds= --read-iops= --read-iops-burst= --read-iops-burst-seconds= --read-bps=
		--read-bps-burst= --read-bps-burst-seconds= --write-iops= --write-iops-burst=
		--write-iops-burst-seconds= --write-bps= --write-bps-burst= --write-bps-burst-seconds= --unset=
		--socket= --json --help"
	local word=$1 before=$2

	_strait_client "$word" "$before" "$options_group"
	if [[ $word != -* && ${#COMPREPLY[@]} -eq 0 ]]; then
		if [[ $COMP_CWORD -eq 2 ]]; then
			mapfile -t COMPREPLY < <(compgen -W "list set remove" -- "$word")
		else
			mapfile -t COMPREPLY < <(compgen -W "$(strait group list 2>/dev/null | awk 'NR > 1 { print $1 }')" -- "$word")
		fi
	fi
}

_strait_config()
{
	local options_config="--force --socket= --json --help"
	local word=$1 before=$2

	_strait_client "$word" "$before" "$options_config"
	if [[ $word != -* && ${#COMPREPLY[@]} -eq 0 ]]; then
		if [[ $COMP_CWORD -eq 2 ]]; then
			mapfile -t COMPREPLY < <(compgen -W "show diff save reload check" -- "$word")
		else
			compopt -o filenames
			mapfile -t COMPREPLY < <(compgen -f -- "$word")
		fi
	fi
}

_strait_disk()
{
	local options_disk="--socket= --file= --null= --serial= --cache= --lock= --read-only= --discard= --queues=
		--queue-size-max= --in-flight-max= --memory-max= --memory-regions-max= --connection-rate=
		--socket-owner= --socket-group= --socket-mode= --polling= --coalesce-us= --coalesce-count=
		--slow-threshold-us= --slow-percentile= --record=
		--group= --weight= --latency-target-us= --iops= --iops-burst= --iops-burst-seconds= --bps=
		--bps-burst= --bps-burst-seconds= --read-iops= --read-iops-burst= --read-iops-burst-seconds=
		--read-bps= --read-bps-burst= --read-bps-burst-seconds= --write-iops= --write-iops-burst=
		--write-iops-burst-seconds= --write-bps= --write-bps-burst= --write-bps-burst-seconds= --force
		--unset= --more= --rpc-socket= --json --help"
	local word=$1 before=$2 actions="list show add remove resize pause drain resume set"

	case $before in
	--file | --record)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		;;
	--socket | --rpc-socket | -s)
		_strait_sockets "$word"
		;;
	--cache)
		mapfile -t COMPREPLY < <(compgen -W "none writeback writethrough directsync unsafe" -- "$word")
		;;
	--lock)
		mapfile -t COMPREPLY < <(compgen -W "always running" -- "$word")
		;;
	--polling)
		mapfile -t COMPREPLY < <(compgen -W "adaptive poll event" -- "$word")
		;;
	--read-only | --discard)
		mapfile -t COMPREPLY < <(compgen -W "true false" -- "$word")
		;;
	*)
		if [[ $word == -* ]]; then
			_strait_client "$word" "$before" "$options_disk"
		elif [[ $COMP_CWORD -eq 2 ]]; then
			mapfile -t COMPREPLY < <(compgen -W "$actions" -- "$word")
		else
			mapfile -t COMPREPLY < <(compgen -W "$(strait disk list 2>/dev/null | awk 'NR > 1 { print $1 }')" -- "$word")
		fi
		;;
	esac
}

_strait_rpc()
{
	local options_rpc="--timeout= --socket= --help"
	local word=$1 before=$2

	_strait_client "$word" "$before" "$options_rpc"
	if [[ $word != -* && ${#COMPREPLY[@]} -eq 0 && $COMP_CWORD -eq 2 ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(strait rpc schema.get 2>/dev/null |
			sed -n 's/^    "\([a-z.-]*\)": {$/\1/p')" -- "$word")
	fi
}

# What all commands that look at a machine have: --from.
_strait_host()
{
	local word=$1 before=$2 options=$3

	if [[ $before == --from || $before == -f ]]; then
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
	elif [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
		[[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace
	fi
}

_strait_diagnose()
{
	local options_diagnose="--for= --from= --json --help"
	local word=$1 before=$2

	case $before in
	--for | -d | --from | -f) ;;
	*)
		if [[ $word != -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W "$(strait list 2>/dev/null | awk 'NR > 1 { print $1 }')" -- "$word")
			return
		fi
		;;
	esac
	_strait_host "$word" "$before" "$options_diagnose"
}

_strait_exits()
{
	local options_exits="--for= --histogram --trace= --from= --json --help"
	local word=$1 before=$2

	case $before in
	--trace | -t)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		;;
	*)
		_strait_host "$word" "$before" "$options_exits"
		;;
	esac
}

_strait_list()
{
	local options_list="--from= --json --help"

	_strait_host "$1" "$2" "$options_list"
}

_strait_top()
{
	local options_top="--socket= --delay= --count= --batch --json --sort= --reverse --filter= --columns= --units= --help"
	local columns="name state group iops mbps depth p50 p99 p99.9 stage held cpu kicks calls polls sleeps errors
		read-iops write-iops"
	local word=$1 before=$2

	case $before in
	--sort | --columns)
		mapfile -t COMPREPLY < <(compgen -W "$columns" -- "$word")
		;;
	--units)
		mapfile -t COMPREPLY < <(compgen -W "human plain" -- "$word")
		;;
	*)
		_strait_client "$word" "$before" "$options_top"
		;;
	esac
}

_strait_map()
{
	local options_map="--dot --from= --json --help"

	_strait_host "$1" "$2" "$options_map"
}

_strait()
{
	local commands="bench budget config disk group profile rpc slow stats top
		advise
		audit
		capture
		diagnose
		exits
		list
		map"
	local options="--version --help"
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}

	# Readline breaks --option=value into three words.
	if [[ $word == = ]]; then
		word=
	elif [[ $before == = && $COMP_CWORD -ge 2 ]]; then
		before=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	COMPREPLY=()
	if [[ $COMP_CWORD -eq 1 ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$commands $options" -- "$word")
	elif declare -F "_strait_${COMP_WORDS[1]}" >/dev/null; then
		"_strait_${COMP_WORDS[1]}" "$word" "$before"
	fi
	return 0
}
complete -F _strait strait
