import { metrics } from '@opentelemetry/api'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { memoryKeyStore } from '../src/key-store/memory'
import type { KeyEvent } from '../src/keys/events'
import { createKeyring, keyAccess } from '../src/keys/keyring'
import { openTelemetryEvents } from '../src/opentelemetry'
import { scriptedProvider } from './keys/fixtures'

/** A meter, and everything that was recorded with it. */
function recorder() {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })
  const provider = new MeterProvider({ readers: [reader] })
  const recorded = async () => {
    await reader.forceFlush()
    const scopes = exporter.getMetrics().at(-1)?.scopeMetrics ?? []
    const all = scopes.flatMap(({ metrics: of }) => of)
    await provider.shutdown()
    return new Map(all.map((metric) => [metric.descriptor.name, metric]))
  }
  return { provider, meter: provider.getMeter('test'), recorded }
}

const key = { domain: 'd', purpose: 'data', keyId: '00'.repeat(8), version: 1 } as const
const uri = 'aws-kms:arn:aws:kms:eu-west-1:111122223333:key/1234'

describe('openTelemetryEvents', () => {
  afterEach(() => {
    metrics.disable()
    vi.restoreAllMocks()
  })

  it('records calls of providers in seconds, by scheme, operation and outcome', async () => {
    const { meter, recorded } = recorder()
    const onEvent = openTelemetryEvents({ meter })
    const call = {
      type: 'provider-call',
      providerUri: uri,
      operation: 'unwrap',
      keyId: null,
    } as const
    onEvent({ ...call, attempt: 1, durationMs: 2_000, outcome: 'transient' })
    onEvent({ ...call, attempt: 2, durationMs: 5, outcome: 'ok' })
    const metric = (await recorded()).get('mortise.provider.call.duration')
    expect(metric?.descriptor.unit).toBe('s')
    const about = { 'mortise.provider.scheme': 'aws-kms', 'mortise.operation': 'unwrap' }
    expect(metric?.dataPoints).toMatchObject([
      {
        attributes: { ...about, 'mortise.outcome': 'transient', 'mortise.retry': false },
        value: { count: 1, sum: 2 },
      },
      {
        attributes: { ...about, 'mortise.outcome': 'ok', 'mortise.retry': true },
        value: { count: 1, sum: 0.005 },
      },
    ])
  })

  it('counts what happens to keys, without their ids', async () => {
    const { meter, recorded } = recorder()
    const onEvent = openTelemetryEvents({ meter })
    const events: KeyEvent[] = [
      { type: 'key-integrity', ...key, providerUri: uri },
      { type: 'key-evicted', ...key, reason: 'access' },
      { type: 'provider-unavailable', ...key, providerUri: uri, failure: null, retryable: false },
      { type: 'provider-breaker', providerUri: uri, state: 'open' },
      { type: 'key-store-rollback', domain: 'd', epoch: 1, seenEpoch: 2 },
    ]
    for (const event of [...events, ...events]) onEvent(event)
    const metric = (await recorded()).get('mortise.key.events')
    const purpose = { 'mortise.key.purpose': 'data' }
    const scheme = { 'mortise.provider.scheme': 'aws-kms' }
    expect(metric?.dataPoints.map(({ attributes, value }) => ({ ...attributes, value }))).toEqual([
      { 'mortise.event': 'key-integrity', ...purpose, ...scheme, value: 2 },
      { 'mortise.event': 'key-evicted', ...purpose, 'mortise.reason': 'access', value: 2 },
      {
        'mortise.event': 'provider-unavailable',
        ...purpose,
        ...scheme,
        'mortise.reason': 'error',
        value: 2,
      },
      { 'mortise.event': 'provider-breaker', ...scheme, 'mortise.breaker.state': 'open', value: 2 },
      { 'mortise.event': 'key-store-rollback', value: 2 },
    ])
  })

  it('names the provider where that is asked for', async () => {
    const { meter, recorded } = recorder()
    const onEvent = openTelemetryEvents({ meter, providerUris: true })
    onEvent({ type: 'provider-breaker', providerUri: uri, state: 'closed' })
    const [point] = (await recorded()).get('mortise.key.events')?.dataPoints ?? []
    expect(point?.attributes).toMatchObject({ 'mortise.provider.uri': uri })
  })

  it('uses the global meter provider, and hears of a keyring at work', async () => {
    const { provider, recorded } = recorder()
    metrics.setGlobalMeterProvider(provider)
    const onEvent = openTelemetryEvents()
    const providers = [scriptedProvider()]
    const keyring = createKeyring({ providers, store: memoryKeyStore(), onEvent })
    await keyring.ready()
    for (let i = 0; i < 3; i++) await keyAccess(keyring).sealingKey()
    const all = await recorded()
    expect(all.get('mortise.key.cache.hits')?.dataPoints).toContainEqual(
      expect.objectContaining({ attributes: { 'mortise.key.purpose': 'data' } }),
    )
    const calls = all.get('mortise.provider.call.duration')?.dataPoints ?? []
    expect(calls.map(({ attributes }) => attributes['mortise.operation'])).toEqual([
      'wrap',
      'unwrap',
    ])
    const text = JSON.stringify([...all])
    for (const { id } of await keyring.keys()) expect(text).not.toContain(id)
  })
})
