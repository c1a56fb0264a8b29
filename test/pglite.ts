export { pgliteDriver } from '../examples/demo/pglite-driver'
