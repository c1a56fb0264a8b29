import type { Attributes, Counter, Histogram, Meter } from '@opentelemetry/api'
import { MortiseError } from './errors'
import type { KeyEvent, KeyEventHandler } from './keys/events'

/** What {@link openTelemetryEvents} may be given. */
export interface OpenTelemetryOptions {
  /**
   * Makes the instruments.
   *
   * @defaultValue the meter `mortise` of the global meter provider
   */
  readonly meter?: Meter | undefined
  /**
   * Adds `mortise.provider.uri` to what is recorded about providers: one time series for each of them,
   * and names of KMS keys in the metrics system. Without it there is the scheme only, as `aws-kms`.
   *
   * @defaultValue false
   */
  readonly providerUris?: boolean | undefined
}

interface Instruments {
  readonly calls: Histogram
  readonly hits: Counter
  readonly events: Counter
}

/** Seconds: from a call within the process to a deadline that has passed. */
const BOUNDARIES = [0.0001, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10]

/**
 * An `onEvent` handler that records metrics. Key ids and domains are left out: their number has no
 * bound.
 *
 * | instrument | unit | attributes |
 * |---|---|---|
 * | `mortise.provider.call.duration`, a histogram | `s` | `mortise.provider.scheme`, `mortise.operation`, `mortise.outcome`, `mortise.retry` |
 * | `mortise.key.cache.hits`, a counter | `{hit}` | `mortise.key.purpose` |
 * | `mortise.key.events`, a counter of all other events | `{event}` | `mortise.event`, and where the event has them `mortise.key.purpose`, `mortise.provider.scheme`, `mortise.reason` (why a key left memory, or a provider's failure), `mortise.breaker.state` |
 *
 * Alarm on `mortise.key.events` with `mortise.event` `key-integrity`, `subject-key-integrity` or
 * `key-store-rollback`.
 *
 * @returns to be passed as `onEvent` of `createKeyring`
 * @throws ERR_CONFIG where neither a meter is given nor `@opentelemetry/api` is installed
 */
export function openTelemetryEvents(options: OpenTelemetryOptions = {}): KeyEventHandler {
  const { calls, hits, events } = makeInstruments(
    options.meter ?? loadApi().metrics.getMeter('mortise'),
  )
  const providerOf = (uri: string): Attributes => ({
    'mortise.provider.scheme': schemeOf(uri),
    ...(options.providerUris && { 'mortise.provider.uri': uri }),
  })
  return (event) => {
    if (event.type === 'key-cache-hit') {
      hits.add(1, { 'mortise.key.purpose': event.purpose })
    } else if (event.type === 'provider-call') {
      calls.record(event.durationMs / 1000, {
        ...providerOf(event.providerUri),
        'mortise.operation': event.operation,
        'mortise.outcome': event.outcome,
        'mortise.retry': event.attempt > 1,
      })
    } else {
      const provider = 'providerUri' in event ? providerOf(event.providerUri) : {}
      events.add(1, { ...attributesOf(event), ...provider })
    }
  }
}

function makeInstruments(meter: Meter): Instruments {
  return {
    calls: meter.createHistogram('mortise.provider.call.duration', {
      unit: 's',
      description: 'Attempts of calls of key providers',
      advice: { explicitBucketBoundaries: BOUNDARIES },
    }),
    hits: meter.createCounter('mortise.key.cache.hits', {
      unit: '{hit}',
      description: 'Look-ups of keys that were answered from memory',
    }),
    events: meter.createCounter('mortise.key.events', {
      unit: '{event}',
      description: 'What happened to keys, providers and the key store',
    }),
  }
}

function attributesOf(event: KeyEvent): Attributes {
  return {
    'mortise.event': event.type,
    ...('purpose' in event && { 'mortise.key.purpose': event.purpose }),
    ...('reason' in event && { 'mortise.reason': event.reason }),
    ...('failure' in event && { 'mortise.reason': event.failure ?? 'error' }),
    ...(event.type === 'provider-breaker' && { 'mortise.breaker.state': event.state }),
  }
}

function schemeOf(uri: string): string {
  return uri.split(':', 1)[0] ?? ''
}

function loadApi(): typeof import('@opentelemetry/api') {
  try {
    return require('@opentelemetry/api') as typeof import('@opentelemetry/api')
  } catch (cause) {
    throw new MortiseError(
      'ERR_CONFIG',
      "openTelemetryEvents needs the package @opentelemetry/api: run 'npm install @opentelemetry/api', or pass a meter",
      { cause },
    )
  }
}
