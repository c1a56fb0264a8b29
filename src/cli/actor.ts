import { hostname, userInfo } from 'node:os'
import { Option } from 'commander'

/** Who runs a command and why, for the history. */
export interface ActorFlags {
  readonly actor: string
  readonly reason?: string
}

/** The options behind {@link ActorFlags}, of every command that the history records. */
export function actorOptions(): Option[] {
  return [
    actorOption(),
    new Option('--reason <why>', 'why; kept in the history, so name no data subject'),
  ]
}

/** `--actor` alone, for jobs. */
export function actorOption(): Option {
  const explanation = 'who asks for it; kept in the history, so name no data subject'
  return new Option('--actor <who>', explanation).default(`${userName()}@${hostname()}`)
}

/** A container may run under a number that no user has. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return String(process.getuid?.() ?? 'unknown')
  }
}
