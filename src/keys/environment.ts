import { isMortiseError, MortiseError } from '../errors'

/** Variables by name, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Everything with this prefix is a setting of mortise, so that a misspelt one is noticed. */
const PREFIX = 'MORTISE_'

/**
 * The settings of one environment. Remembers what was asked for: a setting that nothing asked for is
 * misspelt, or contradicts another one.
 */
export class EnvironmentSettings {
  readonly #values: ReadonlyMap<string, string>
  readonly #used = new Set<string>()

  constructor(environment: Environment) {
    const settings = Object.entries(environment).filter(([name]) => name.startsWith(PREFIX))
    this.#values = new Map(
      settings.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
    )
  }

  /**
   * @returns undefined where it is not set
   * @throws ERR_CONFIG for an empty value, which is more often a secret that did not arrive than a wish
   */
  text(name: string): string | undefined {
    this.#used.add(name)
    const value = this.#values.get(name)
    if (value === '') throw settingError(name, 'is empty; give it a value, or do not set it')
    return value
  }

  /** @throws ERR_CONFIG for anything but one of `choices` */
  oneOf<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const value = this.text(name)
    const choice = choices.find((candidate) => candidate === value)
    if (value === undefined || choice !== undefined) return choice
    throw settingError(name, `must be ${choices.map((text) => `'${text}'`).join(' or ')}`)
  }

  /** @throws ERR_CONFIG for anything but a whole number of milliseconds */
  milliseconds(name: string): number | undefined {
    const value = this.text(name)
    if (value === undefined) return undefined
    if (/^[0-9]{1,9}$/.test(value)) return Number(value)
    throw settingError(name, 'must be a whole number of milliseconds')
  }

  /** Takes settings as read that are not needed here. */
  ignore(names: RegExp): void {
    for (const name of this.#values.keys()) if (names.test(name)) this.#used.add(name)
  }

  /**
   * @param explain - why a known setting was not used; undefined for one that does not exist
   * @throws ERR_CONFIG naming the first setting that nothing asked for
   */
  refuseUnused(explain: (name: string) => string | undefined): void {
    const unused = [...this.#values.keys()].find((name) => !this.#used.has(name))
    if (unused === undefined) return
    throw settingError(unused, explain(unused) ?? 'is no setting of mortise; check its spelling')
  }
}

/**
 * What a setting's value is made into.
 *
 * @throws ERR_CONFIG naming the variable as well, where `make` refuses the value
 */
export function fromSetting<T>(name: string, make: () => T): T {
  try {
    return make()
  } catch (error) {
    if (!isMortiseError(error, 'ERR_CONFIG')) throw error
    throw settingError(name, `cannot be used: ${error.message}`, error)
  }
}

/** An error about one setting: names the variable and never its value, which may be a secret. */
export function settingError(name: string, problem: string, cause?: unknown): MortiseError {
  return new MortiseError('ERR_CONFIG', `the environment variable ${name} ${problem}`, { cause })
}
