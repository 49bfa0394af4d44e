{{ config(schema=var('staging_schema')) }}

with source as (

    select * from {{ named_in_view(source('statsig_raw', 'ingestion_runs')) }}

),

renamed as (

    select
        -- ids
        {{ text('run_id') }} as run_id,

        -- strings
        {{ text('latest_status') }} as latest_status,
        {{ text(identifier('trigger')) }} as {{ identifier('trigger') }},

        -- timestamps
        created_at,
        last_updated_at,
        fetched_at

    from source

)

select * from renamed
