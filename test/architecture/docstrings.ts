import { type Module, type Node, resolveImport } from './modules'

/** Names that an entry point exports and whose declaration has no docstring, as `file: name`. */
export function undocumentedExports(entry: Module, modules: ReadonlyMap<string, Module>): string[] {
  return exportsOf(entry, modules)
    .filter(({ module, statement }) => !hasDocstring(module, statement))
    .map(({ module, name }) => `${module.path}: ${name}`)
}

interface Declaration {
  readonly module: Module
  readonly name: string
  readonly statement: Node
}

/** Follows re-exports to the statements that declare what a module exports. */
function exportsOf(module: Module, modules: ReadonlyMap<string, Module>): Declaration[] {
  return module.body.flatMap((statement) => {
    if (statement.type === 'ExportAllDeclaration') {
      return exportsOf(target(module, statement, modules), modules)
    }
    if (statement.type !== 'ExportNamedDeclaration') return []
    if (statement.declaration) {
      return declaredNames(statement.declaration as Node).map((name) => ({
        module,
        name,
        statement,
      }))
    }
    if (!statement.source) {
      return specifiers(statement).flatMap(({ local }) => localDeclaration(module, local))
    }
    const from = exportsOf(target(module, statement, modules), modules)
    return specifiers(statement).map(({ local }) => {
      const found = from.find(({ name }) => name === local)
      if (!found) throw new Error(`${module.path} re-exports ${local}, which was not found`)
      return found
    })
  })
}

function target(module: Module, statement: Node, modules: ReadonlyMap<string, Module>): Module {
  const specifier = String((statement.source as Node).value)
  const path = resolveImport(module.path, specifier, new Set(modules.keys()))
  const found = path === undefined ? undefined : modules.get(path)
  if (!found) throw new Error(`${module.path} re-exports from ${specifier}, which is not in src`)
  return found
}

function specifiers(statement: Node): { local: string }[] {
  return (statement.specifiers as Node[]).map(({ local }) => ({
    local: String((local as Node).name),
  }))
}

function localDeclaration(module: Module, name: string): Declaration[] {
  const statement = module.body.find((node) => declaredNames(node).includes(name))
  if (!statement) throw new Error(`${module.path} exports ${name}, which it does not declare`)
  return [{ module, name, statement }]
}

function declaredNames(declaration: Node): string[] {
  if (declaration.type === 'VariableDeclaration') {
    return (declaration.declarations as Node[]).map(({ id }) => String((id as Node).name))
  }
  return declaration.id ? [String((declaration.id as Node).name)] : []
}

function hasDocstring(module: Module, statement: Node): boolean {
  return /\/\*\*(?:(?!\*\/)[\s\S])*\*\/\s*$/.test(module.text.slice(0, statement.start))
}
