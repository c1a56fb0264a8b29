import {
  Body,
  Controller,
  Get,
  Param,
  ParseIntPipe,
  ParseUUIDPipe,
  Post,
  Put,
  Query,
} from '@nestjs/common'
import type { Chart, Patient } from './patient.entity.js'
import { type NewPatient, type Page, PatientsService } from './patients.service.js'

@Controller('patients')
export class PatientsController {
  constructor(private readonly patients: PatientsService) {}

  @Post()
  register(@Body() patient: NewPatient): Promise<Patient> {
    return this.patients.register(patient)
  }

  /** In the body, because addresses end up in access logs. */
  @Post('search')
  byEmail(@Body('email') email: string): Promise<Patient> {
    return this.patients.byEmail(email)
  }

  @Get()
  bornBetween(
    @Query('from') from: string,
    @Query('to') to: string,
    @Query('page', new ParseIntPipe({ optional: true })) page = 0,
  ): Promise<Page<Patient>> {
    return this.patients.bornBetween(from, to, page)
  }

  @Get('wards/:ward')
  bornBefore(@Param('ward') ward: string, @Query('before') day: string): Promise<Patient[]> {
    return this.patients.bornBefore(ward, day)
  }

  @Put(':id/chart')
  updateChart(@Param('id', ParseUUIDPipe) id: string, @Body() chart: Chart): Promise<void> {
    return this.patients.updateChart(id, chart)
  }
}
