import { ConflictException, Injectable, NotFoundException } from '@nestjs/common'
import { InjectRepository } from '@nestjs/typeorm'
import { Between, LessThan, QueryFailedError, type Repository } from 'typeorm'
import { type Chart, Patient } from './patient.entity.js'

export interface NewPatient {
  ward: string
  email: string
  birthDate: string
  chart?: Chart | null
}

export interface Page<T> {
  items: T[]
  total: number
}

const PAGE_SIZE = 20
const UNIQUE_VIOLATION = '23505'

@Injectable()
export class PatientsService {
  constructor(@InjectRepository(Patient) private readonly patients: Repository<Patient>) {}

  async register({ ward, email, birthDate, chart }: NewPatient): Promise<Patient> {
    try {
      return await this.patients.save(this.patients.create({ ward, email, birthDate, chart }))
    } catch (error) {
      if (!isUniqueViolation(error)) throw error
      throw new ConflictException('A patient with this email is registered')
    }
  }

  async byEmail(email: string): Promise<Patient> {
    const patient = await this.patients.findOneBy({ email })
    if (!patient) throw new NotFoundException()
    return patient
  }

  async bornBetween(from: string, to: string, page: number): Promise<Page<Patient>> {
    const [items, total] = await this.patients.findAndCount({
      where: { birthDate: Between(from, to) },
      order: { birthDate: 'ASC' },
      skip: page * PAGE_SIZE,
      take: PAGE_SIZE,
    })
    return { items, total }
  }

  /** The same with a query builder: encrypted properties in objects, plain ones also in SQL text. */
  bornBefore(ward: string, day: string): Promise<Patient[]> {
    return this.patients
      .createQueryBuilder('patient')
      .where('patient.ward = :ward', { ward })
      .andWhere({ birthDate: LessThan(day) })
      .orderBy('patient.birthDate', 'DESC')
      .getMany()
  }

  async updateChart(id: string, chart: Chart | null): Promise<void> {
    const { affected } = await this.patients.update({ id }, { chart })
    if (!affected) throw new NotFoundException()
  }
}

function isUniqueViolation(error: unknown): boolean {
  return error instanceof QueryFailedError && error.driverError.code === UNIQUE_VIOLATION
}
