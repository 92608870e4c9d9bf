/**
 * Completion stubs: what `qntx completion SHELL` prints. Each asks the binary at
 * every Tab, so they never go stale. Bash's needs no bash-completion package.
 */
import { FILES, type Shell } from "./completion.ts";

const BASH = `# qntx completion for bash. Put it to use with:  source <(qntx completion bash)
_qntx() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == "${FILES}" ]]; then
      compopt -o default 2>/dev/null
    else
      COMPREPLY+=("$line")
    fi
  done < <("\${COMP_WORDS[0]}" __complete bash -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _qntx qntx
`;

const ZSH = `#compdef qntx
# qntx completion for zsh. Put it to use with:  source <(qntx completion zsh)
_qntx() {
  local line
  local -a found
  for line in "\${(@f)$("\${words[1]}" __complete zsh -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    if [[ $line == "${FILES}" ]]; then
      _files
    elif [[ -n $line ]]; then
      found+=("$line")
    fi
  done
  (( \${#found} )) && _describe 'qntx' found
}
if [[ $funcstack[1] == _qntx ]]; then
  _qntx "$@"
else
  compdef _qntx qntx
fi
`;

const FISH = `# qntx completion for fish. Put it to use with:  qntx completion fish | source
function __qntx_complete
  set -l words (commandline -opc)
  set -l typed (commandline -ct)
  for line in ($words[1] __complete fish -- $words[2..-1] "$typed" 2>/dev/null)
    if test "$line" = "${FILES}"
      __fish_complete_path "$typed"
    else
      echo $line
    end
  end
end
complete -c qntx -f -a '(__qntx_complete)'
`;

/** The script that a shell sources. */
export const STUBS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
