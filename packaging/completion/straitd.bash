# SPDX-License-Identifier: Apache-2.0
# bash completion for straitd(8). A test compares its options with those of straitd --help.

_straitd()
{
	local options="--config= --check --upgrade --socket-path= --fd= --blk-file= --read-only --print-capabilities
		--sandbox= --log-level= --version --help"
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}

	# Readline breaks --option=value into three words.
	if [[ $word == = ]]; then
		word=
	elif [[ $before == = && $COMP_CWORD -ge 2 ]]; then
		before=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	COMPREPLY=()
	case $before in
	--config | --blk-file | --socket-path)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		;;
	--sandbox)
		mapfile -t COMPREPLY < <(compgen -W "on required off" -- "$word")
		;;
	--log-level)
		mapfile -t COMPREPLY < <(compgen -W "error warning info debug" -- "$word")
		;;
	--fd) ;;
	*)
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
		[[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace
		;;
	esac
	return 0
}
complete -F _straitd straitd
