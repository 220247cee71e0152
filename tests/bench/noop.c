/* The least that a compiled hook or task can do. */
int main(void)
{
	return 0;
}
