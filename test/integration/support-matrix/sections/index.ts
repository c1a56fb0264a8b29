import type { Section } from '../matrix'
import { adoptedColumns } from './adopted-columns'
import { builders } from './builders'
import { counting } from './counting'
import { finds } from './finds'
import { infrastructure } from './infrastructure'
import { operators } from './operators'
import { ordering } from './ordering'
import { raw } from './raw'
import { relations } from './relations'
import { rowBinding } from './row-binding'
import { shapes } from './shapes'
import { text } from './text'
import { writes } from './writes'
import { writingBuilders } from './writing-builders'

/** The parts of the page, in its order. */
export const SECTIONS: readonly Section[] = [
  writes,
  writingBuilders,
  finds,
  operators,
  builders,
  text,
  ordering,
  counting,
  relations,
  shapes,
  rowBinding,
  raw,
  adoptedColumns,
  infrastructure,
]
