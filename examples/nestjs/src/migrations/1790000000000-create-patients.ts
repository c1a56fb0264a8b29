import type { MigrationInterface, QueryRunner } from 'typeorm'

export class CreatePatients1790000000000 implements MigrationInterface {
  name = 'CreatePatients1790000000000'

  public async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      `CREATE TABLE "patient" ("id" uuid NOT NULL DEFAULT uuid_generate_v4(), "ward" text NOT NULL, "email" bytea NOT NULL, "email_hmac" bytea NOT NULL, "birthDate" bytea NOT NULL, "birthDate_lofi" date NOT NULL, "chart" bytea, "registeredAt" TIMESTAMP NOT NULL DEFAULT now(), CONSTRAINT "UQ_e10b1fb06d44627ef9b6b56be75" UNIQUE ("email_hmac"), CONSTRAINT "PK_8dfa510bb29ad31ab2139fbfb99" PRIMARY KEY ("id"))`,
    )
    await queryRunner.query(
      `CREATE INDEX "IDX_847845c1b46cdd6e354dc65fd3" ON "patient"  ("birthDate_lofi") `,
    )
    await queryRunner.query(
      `CREATE TABLE "mortise_key" ("id" bytea NOT NULL, "domain" text NOT NULL, "purpose" text NOT NULL, "version" integer NOT NULL, "state" text NOT NULL, "kcv" bytea NOT NULL, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, "state_changed_at" TIMESTAMP WITH TIME ZONE NOT NULL, "epoch" integer NOT NULL, CONSTRAINT "mortise_key_version_unique" UNIQUE ("domain", "purpose", "version"), CONSTRAINT "mortise_key_pk" PRIMARY KEY ("id"))`,
    )
    await queryRunner.query(
      `CREATE UNIQUE INDEX "mortise_key_active_unique" ON "mortise_key"  ("domain", "purpose") WHERE "state" = 'active'`,
    )
    await queryRunner.query(
      `CREATE TABLE "mortise_key_wrap" ("key_id" bytea NOT NULL, "provider_uri" text NOT NULL, "wrapped" bytea NOT NULL, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "mortise_key_wrap_pk" PRIMARY KEY ("key_id", "provider_uri"))`,
    )
    await queryRunner.query(
      `CREATE TABLE "mortise_subject_key" ("id" bytea NOT NULL, "domain" text NOT NULL, "subject_ref" bytea NOT NULL, "kek_id" bytea NOT NULL, "wrapped" bytea NOT NULL, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "mortise_subject_key_ref_unique" UNIQUE ("domain", "subject_ref"), CONSTRAINT "mortise_subject_key_pk" PRIMARY KEY ("id"))`,
    )
    await queryRunner.query(
      `CREATE TABLE "mortise_tombstone" ("id" bytea NOT NULL, "domain" text NOT NULL, "destroyed_at" TIMESTAMP WITH TIME ZONE NOT NULL, "actor" text NOT NULL, "reason" text NOT NULL, "epoch" integer NOT NULL, CONSTRAINT "mortise_tombstone_pk" PRIMARY KEY ("id"))`,
    )
    await queryRunner.query(
      `CREATE TABLE "mortise_index" ("domain" text NOT NULL, "kind" text NOT NULL, "name" text NOT NULL, "generation" integer NOT NULL, "index_key_id" bytea, "normaliser" text, "bits" integer, "range_parameters" text, "shared_group" text, "state" text NOT NULL, "epoch" integer NOT NULL, CONSTRAINT "mortise_index_pk" PRIMARY KEY ("domain", "kind", "name", "generation"))`,
    )
    await queryRunner.query(
      `CREATE TABLE "mortise_history" ("domain" text NOT NULL, "sequence" integer NOT NULL, "record_id" text NOT NULL, "record" text NOT NULL, "checksum" text NOT NULL, CONSTRAINT "mortise_history_record_unique" UNIQUE ("domain", "record_id"), CONSTRAINT "mortise_history_pk" PRIMARY KEY ("domain", "sequence"))`,
    )
    await queryRunner.query(
      `CREATE TABLE "mortise_adoption" ("table_name" text NOT NULL, "column_name" text NOT NULL, "state" text NOT NULL, "changed_at" TIMESTAMP WITH TIME ZONE NOT NULL, CONSTRAINT "mortise_adoption_pk" PRIMARY KEY ("table_name", "column_name"))`,
    )
    await queryRunner.query(
      `CREATE TABLE "mortise_job" ("id" text NOT NULL, "domain" text NOT NULL, "verb" text NOT NULL, "scope" text NOT NULL, "parameters" text NOT NULL, "state" text NOT NULL, "actor" text NOT NULL, "tables" text NOT NULL, "created_at" TIMESTAMP WITH TIME ZONE NOT NULL, "ended_at" TIMESTAMP WITH TIME ZONE, CONSTRAINT "mortise_job_pk" PRIMARY KEY ("id"))`,
    )
    await queryRunner.query(
      `CREATE UNIQUE INDEX "mortise_job_running_unique" ON "mortise_job"  ("domain", "verb", "scope") WHERE "state" = 'running'`,
    )
    await queryRunner.query(
      `CREATE TABLE "mortise_job_shard" ("job_id" text NOT NULL, "shard" integer NOT NULL, "table_name" text NOT NULL, "lower_key" text, "upper_key" text, "cursor_key" text, "state" text NOT NULL, "owner" text, "fence" integer NOT NULL, "lease_until" TIMESTAMP WITH TIME ZONE, "stop_code" text, "done" bigint NOT NULL, "failed" bigint NOT NULL, CONSTRAINT "mortise_job_shard_pk" PRIMARY KEY ("job_id", "shard"))`,
    )
    await queryRunner.query(
      `CREATE TABLE "mortise_job_row" ("job_id" text NOT NULL, "shard" integer NOT NULL, "row_key" text NOT NULL, "column_name" text NOT NULL, "code" text NOT NULL, "amount" integer NOT NULL, CONSTRAINT "mortise_job_row_pk" PRIMARY KEY ("job_id", "shard", "row_key", "column_name"))`,
    )
    await queryRunner.query(
      `ALTER TABLE "mortise_job_shard" ADD CONSTRAINT "mortise_job_shard_job_fk" FOREIGN KEY ("job_id") REFERENCES "mortise_job"("id") ON DELETE CASCADE ON UPDATE NO ACTION`,
    )
    await queryRunner.query(
      `ALTER TABLE "mortise_job_row" ADD CONSTRAINT "mortise_job_row_job_fk" FOREIGN KEY ("job_id") REFERENCES "mortise_job"("id") ON DELETE CASCADE ON UPDATE NO ACTION`,
    )
    await queryRunner.query(
      `ALTER TABLE "mortise_key_wrap" ADD CONSTRAINT "mortise_key_wrap_key_fk" FOREIGN KEY ("key_id") REFERENCES "mortise_key"("id") ON DELETE CASCADE ON UPDATE NO ACTION`,
    )
  }

  public async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      `ALTER TABLE "mortise_key_wrap" DROP CONSTRAINT "mortise_key_wrap_key_fk"`,
    )
    await queryRunner.query(
      `ALTER TABLE "mortise_job_row" DROP CONSTRAINT "mortise_job_row_job_fk"`,
    )
    await queryRunner.query(
      `ALTER TABLE "mortise_job_shard" DROP CONSTRAINT "mortise_job_shard_job_fk"`,
    )
    await queryRunner.query(`DROP TABLE "mortise_job_row"`)
    await queryRunner.query(`DROP TABLE "mortise_job_shard"`)
    await queryRunner.query(`DROP INDEX "public"."mortise_job_running_unique"`)
    await queryRunner.query(`DROP TABLE "mortise_job"`)
    await queryRunner.query(`DROP TABLE "mortise_adoption"`)
    await queryRunner.query(`DROP TABLE "mortise_history"`)
    await queryRunner.query(`DROP TABLE "mortise_index"`)
    await queryRunner.query(`DROP TABLE "mortise_tombstone"`)
    await queryRunner.query(`DROP TABLE "mortise_subject_key"`)
    await queryRunner.query(`DROP TABLE "mortise_key_wrap"`)
    await queryRunner.query(`DROP INDEX "public"."mortise_key_active_unique"`)
    await queryRunner.query(`DROP TABLE "mortise_key"`)
    await queryRunner.query(`DROP INDEX "public"."IDX_847845c1b46cdd6e354dc65fd3"`)
    await queryRunner.query(`DROP TABLE "patient"`)
  }
}
