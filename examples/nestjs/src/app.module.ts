import { Module } from '@nestjs/common'
import { APP_FILTER } from '@nestjs/core'
import { DatabaseModule } from './database.module.js'
import { MortiseErrorFilter } from './mortise-error.filter.js'
import { PatientsModule } from './patients/patients.module.js'

@Module({
  imports: [DatabaseModule, PatientsModule],
  providers: [{ provide: APP_FILTER, useClass: MortiseErrorFilter }],
})
export class AppModule {}
