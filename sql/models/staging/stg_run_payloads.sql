{{ config(schema=var('staging_schema')) }}

with source as (

    select * from {{ named_in_view(source('statsig_raw', 'run_payloads')) }}

),

renamed as (

    select
        -- ids
        {{ text('run_id') }} as run_id,
        {{ text('content_hash') }} as content_hash,

        -- strings
        {{ text('payload') }} as payload,

        -- timestamps
        fetched_at

    from source

)

select * from renamed
