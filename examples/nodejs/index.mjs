// A function in JavaScript: https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html

export const handler = async (event, context) => {
  if (!event.name) throw new Error('nobody to greet');
  console.log(`greeting ${event.name}`);
  return { message: `Hello, ${event.name}, from Node.js!`, request: context.awsRequestId };
};
