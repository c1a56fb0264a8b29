import { EntitySchema } from 'typeorm'
import { encryptedColumn } from '../../../src/typeorm'

export interface Device {
  id: number
  serial: string
}

/** An entity without a class. */
export const encryptedSchemaEntity = new EntitySchema<Device>({
  name: 'Device',
  columns: {
    id: { type: 'int', primary: true },
    ...encryptedColumn('serial', { type: 'string', exact: true }),
  },
})
