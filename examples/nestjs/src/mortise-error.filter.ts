import { type ArgumentsHost, Catch, HttpException } from '@nestjs/common'
import { BaseExceptionFilter } from '@nestjs/core'
import { MortiseError } from 'mortise'

/** What a client is told; the error itself, which names the property, is for the log. */
@Catch(MortiseError)
export class MortiseErrorFilter extends BaseExceptionFilter {
  override catch(error: MortiseError, host: ArgumentsHost): void {
    const answer = answerTo(error)
    super.catch(answer ? new HttpException(answer.message, answer.status) : error, host)
  }
}

function answerTo(error: MortiseError): { status: number; message: string } | undefined {
  // The message names the property and what it takes, and never the value.
  if (error.code === 'ERR_VALUE_INVALID') return { status: 400, message: error.message }
  // The key provider or the key store cannot be reached at the moment.
  if (error.retryable) return { status: 503, message: 'Try again later' }
  return undefined
}
