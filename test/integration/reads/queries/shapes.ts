import { LessThan, MoreThan, type ObjectLiteral, type TreeRepository } from 'typeorm'
import { byId, type Queries, type Reader } from '../reader'

const inheritance: Queries = {
  'all classes of a tree through the parent': ({ m, e }) => m.find(e.Animal, { order: { id: 1 } }),
  'one class, by a range of its own': ({ m, e }) =>
    m.find(e.Cat, { where: { claws: MoreThan(5) }, order: { claws: 'DESC' }, take: 1 }),
  'a property that two classes declare': async ({ m, e }) => [
    await m.findBy(e.Cat, { chip: 'chip1' }),
    await m.findBy(e.Dog, { chip: 'chip1' }),
    await m.findBy(e.Dog, { chip: 'chip3' }),
  ],
  'the parent by properties of its children': async ({ m, e }) => {
    const animals = () => m.createQueryBuilder(e.Animal, 'a').orderBy('a.id')
    return [
      await animals().where("a.chip = 'chip3'").getMany(),
      await animals().where('a.claws > 5').getMany(),
      await animals().orderBy('a.claws').addOrderBy('a.id').getMany(),
      await animals().select(['a.id', 'a.name', 'a.bark']).getMany(),
    ]
  },
  'a tree that is joined': ({ m, e }) =>
    m
      .createQueryBuilder(e.Animal, 'a')
      .innerJoinAndSelect('a.keeper', 'k')
      .where('k.income < 5')
      .orderBy('a.id')
      .getMany(),
  'entities with a common base class': async ({ m, e }) => [
    await m.find(e.Left, { where: { own: MoreThan(4) }, order: { own: 1 } }),
    await m.findBy(e.Right, { secret: 's2' }),
    await m
      .createQueryBuilder(e.Left, 'l')
      .leftJoinAndMapOne('l.r', e.Right, 'r', 'r.id = l.id')
      .where("r.secret = 's3'")
      .getMany(),
  ],
}

type Trees = TreeRepository<ObjectLiteral>

const ORDERED = { id: 1, children: { id: 1 } } as const

function treeQueries(kind: 'Closure' | 'Path' | 'Nested'): Queries {
  const queries: Record<string, (trees: Trees) => Promise<unknown>> = {
    findTrees: async (trees) => [
      inOrder(await trees.findTrees()),
      inOrder(await trees.findTrees({ depth: 1 })),
      await trees.findRoots(),
    ],
    findDescendants: async (trees) => [
      byId(await trees.findDescendants({ id: 2 })),
      inOrder([await trees.findDescendantsTree(await trees.findOneByOrFail({ id: 1 }))]),
      await trees.countDescendants({ id: 1 }),
    ],
    findAncestors: async (trees) => [
      byId(await trees.findAncestors({ id: 4 })),
      await trees.findAncestorsTree(await trees.findOneByOrFail({ id: 4 })),
      await trees.countAncestors({ id: 4 }),
    ],
    'relations of its nodes': async (trees) =>
      inOrder([
        await trees.findDescendantsTree(await trees.findOneByOrFail({ id: 1 }), {
          relations: ['parent'],
        }),
      ]),
    'builders of descendants and ancestors': async (trees) => {
      const root = await trees.findOneByOrFail({ id: 1 })
      const leaf = await trees.findOneByOrFail({ id: 4 })
      const below = () => trees.createDescendantsQueryBuilder('d', 'c', root)
      const heavy = () => below().andWhere('d.size > 4').orderBy('d.size', 'DESC')
      const above = trees.createAncestorsQueryBuilder('d', 'c', leaf)
      return [
        await heavy().getMany(),
        await heavy().take(2).getManyAndCount(),
        await above.andWhere('d.name = :n', { n: 'n2' }).getMany(),
      ]
    },
    'finders with parents and children': async (trees) => [
      await trees.find({ relations: { children: true, parent: true }, order: ORDERED }),
      await trees.find({ where: { parent: { size: LessThan(7) } }, order: { size: 'DESC' } }),
    ],
  }
  return Object.fromEntries(
    Object.entries(queries).map(([name, query]) => [
      `${kind}: ${name}`,
      ({ dataSource, e }: Reader) => query(dataSource.getTreeRepository(e[kind])),
    ]),
  )
}

/** TypeORM leaves the order of children to the database. */
function inOrder(nodes: ObjectLiteral[]): ObjectLiteral[] {
  for (const { children } of nodes) if (children) inOrder(children)
  return byId(nodes)
}

export const shapes: Queries = {
  ...inheritance,
  ...treeQueries('Closure'),
  ...treeQueries('Path'),
  ...treeQueries('Nested'),
}
