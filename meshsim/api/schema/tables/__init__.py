"""The field tables by API family, in the notation of `meshsim.api.schema.notation`."""
