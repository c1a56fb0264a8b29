import 'reflect-metadata'
import {
  ChildEntity,
  Column,
  DataSource,
  type DataSourceOptions,
  DeleteDateColumn,
  Entity,
  JoinColumn,
  JoinTable,
  ManyToMany,
  ManyToOne,
  type ObjectLiteral,
  OneToMany,
  OneToOne,
  PrimaryColumn,
  PrimaryGeneratedColumn,
  TableInheritance,
  Unique,
  VersionColumn,
} from 'typeorm'
import { testKeyring } from '../../../src/testing'
import { Encrypted, withEncryption } from '../../../src/typeorm'
import { type EntityShape, type Graph, propertyNames, type Relation } from './graph'
import { clearColumn, inClear, type Property } from './values'

export type Class = new () => ObjectLiteral

/** One of the two databases: a schema and a DataSource over classes of its own. */
export interface Twin {
  readonly clear: boolean
  readonly schema: string
  readonly dataSource: DataSource
  classOf(entity: string, child?: boolean): Class
  /** A value as this twin stores it and is asked for it. */
  valueOf(property: string, value: unknown): unknown
}

type Decorator = (target: object, property: string) => void

/** Makes the classes of a graph and their tables, in a schema of their own. */
export async function startTwin(
  graph: Graph,
  url: string,
  schema: string,
  clear: boolean,
): Promise<Twin> {
  const classes = buildClasses(graph, clear)
  const { maxRefine, isolateWhereStatements } = graph
  const options = {
    type: 'postgres',
    url,
    schema,
    entities: [...classes.values()],
    synchronize: true,
  }
  const dataSource = new DataSource({
    ...options,
    isolateWhereStatements,
    poolSize: 3,
  } as DataSourceOptions)
  if (!clear) withEncryption(dataSource, { keyring: testKeyring(), maxRefine })
  await dataSource.initialize()
  const names = propertyNames(graph)
  return {
    clear,
    schema,
    dataSource,
    classOf: (entity, child = false) => classes.get(child ? `${entity}Child` : entity) as Class,
    valueOf: (property, value) => (clear ? inClear(names.get(property), value) : value),
  }
}

function buildClasses(graph: Graph, clear: boolean): Map<string, Class> {
  const classes = new Map<string, Class>()
  for (const shape of graph.entities) {
    const entity = namedClass(shape.name)
    classes.set(shape.name, entity)
    declareEntity(entity, shape, clear)
    if (!shape.child) continue
    const child = namedClass(`${shape.name}Child`, entity)
    for (const property of shape.child) declareProperty(child, property, clear)
    ChildEntity()(child)
    classes.set(`${shape.name}Child`, child)
  }
  for (const relation of graph.relations) declareRelation(relation, classes)
  return classes
}

function namedClass(name: string, parent?: Class): Class {
  return parent
    ? ({ [name]: class extends parent {} }[name] as Class)
    : ({ [name]: class {} }[name] as Class)
}

function declareEntity(entity: Class, shape: EntityShape, clear: boolean): void {
  const on = (property: string, decorator: unknown) =>
    (decorator as Decorator)(entity.prototype, property)
  if (shape.key === 'composite') {
    on('a', PrimaryColumn('int'))
    on('b', PrimaryColumn('text'))
  } else if (shape.key === 'increment') on('id', PrimaryGeneratedColumn())
  else on('id', PrimaryColumn(shape.key))
  for (const property of shape.properties) declareProperty(entity, property, clear)
  if (shape.embedded.length > 0) {
    const box = namedClass(`${shape.name}Box`)
    for (const property of shape.embedded) declareProperty(box, property, clear)
    on(
      'box',
      Column(() => box),
    )
  }
  on('counter', Column('int', { default: 0 }))
  if (shape.tenant) on('tenant', Column('text'))
  if (shape.uniqueTogether) Unique([...shape.uniqueTogether])(entity)
  if (shape.version) on('version', VersionColumn())
  if (shape.softDelete) on('deletedAt', DeleteDateColumn({ type: 'timestamptz' }))
  Entity()(entity)
  if (shape.child) TableInheritance({ column: { type: 'text', name: 'kind' } })(entity)
}

function declareProperty(entity: Class, property: Property, clear: boolean): void {
  const { name, sealed } = property
  const decorator = clear || !sealed ? Column(clearColumn(property)) : Encrypted(sealed)
  ;(decorator as Decorator)(entity.prototype, name)
}

/** Without removal: TypeORM refuses it on both sides of a relation. */
const writes = (cascade: boolean): ('insert' | 'update')[] => (cascade ? ['insert', 'update'] : [])

function declareRelation(relation: Relation, classes: Map<string, Class>): void {
  const { kind, name, inverse, nullable, cascade, inverseCascade, eager } = relation
  const owner = classes.get(relation.owner) as Class
  const target = classes.get(relation.target) as Class
  const onOwner = (decorator: unknown) => (decorator as Decorator)(owner.prototype, name)
  const onTarget = (decorator: unknown) => (decorator as Decorator)(target.prototype, inverse)
  const options = {
    nullable,
    eager,
    cascade: writes(cascade),
    onDelete: nullable ? 'SET NULL' : 'CASCADE',
  } as const
  if (kind === 'many-to-one') {
    onOwner(ManyToOne(() => target, inverse, options))
    onTarget(OneToMany(() => owner, name, { cascade: writes(inverseCascade) }))
  } else if (kind === 'one-to-one') {
    onOwner(OneToOne(() => target, inverse, options))
    onOwner(JoinColumn())
    onTarget(OneToOne(() => owner, name, { cascade: writes(inverseCascade) }))
  } else {
    onOwner(ManyToMany(() => target, inverse, { cascade: writes(cascade) }))
    onOwner(JoinTable())
    onTarget(ManyToMany(() => owner, name, { cascade: writes(inverseCascade) }))
  }
}
