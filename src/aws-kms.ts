export { type AwsKmsKeyProviderOptions, awsKmsKeyProvider } from './providers/aws-kms'
