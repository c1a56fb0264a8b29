import type { MigrationInterface, QueryRunner } from 'typeorm'
import { Table, TableColumn } from 'typeorm'

/** Run and reverted by the battery; the table has no entity. */
export class AddShelf1700000000001 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    const columns = [
      { name: 'id', type: 'int', isPrimary: true },
      { name: 'title', type: 'text', isNullable: true },
    ]
    await queryRunner.createTable(new Table({ name: 'shelf', columns }))
    await queryRunner.manager.query(`INSERT INTO shelf VALUES (1, 'first')`)
  }
  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.dropTable('shelf')
  }
}

export class AddShelfLabel1700000000002 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.addColumn(
      'shelf',
      new TableColumn({ name: 'label', type: 'text', default: `'x'` }),
    )
    await queryRunner.manager
      .createQueryBuilder()
      .update('shelf')
      .set({ title: 'second' })
      .where('id = :id', { id: 1 })
      .execute()
  }
  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.dropColumn('shelf', 'label')
  }
}
