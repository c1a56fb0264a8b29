/** What the transaction of a page can be taken back to: set where it begins, and behind each part. */
export const SAVEPOINT = 'SAVEPOINT mortise_page'
